// Requests and replies over sentinel-ipc's Endpoint: one at a time, or many under way.

import { dial, Endpoint, listen } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, numberOf, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { Stopwatch } from '../round-trip/stopwatch.js'

const TYPE = 'lookup'

export async function consumer(context: RoleContext): Promise<undefined> {
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const endpoint = new Endpoint(await listener.accept(), 'replier')
  endpoint.respond(TYPE, ({ payload }) => payload)
  await endpoint.whenClosed()
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const endpoint = new Endpoint(await dial(PIPE_NAME, { directory: context.directory }), 'asker')
  const stopwatch = new Stopwatch(context)
  for (;;) {
    stopwatch.start()
    const { payload } = await endpoint.request<LogonEvent>(TYPE, logonEvent(stopwatch.current))
    if (numberOf(payload) !== stopwatch.current) throw new Error('another reply came')
    const figures = stopwatch.stop()
    if (figures !== undefined) return figures
  }
}
