// The round trip over @achrinza/node-ipc: emit() and a listener at both ends.

import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, plainMessage, type PlainMessage } from '../input/line.js'
import { connectNodeIpc, EVENT, serveNodeIpc } from '../input/node-ipc.js'
import { Stopwatch } from './stopwatch.js'

export async function consumer(context: RoleContext): Promise<undefined> {
  serveNodeIpc(context.directory, context.ready, (message, reply) => {
    reply(plainMessage(0, (message as PlainMessage).payload))
  })
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const client = await connectNodeIpc(context.directory)
  const stopwatch = new Stopwatch(context)
  return new Promise((resolve, reject) => {
    const next = (): void => {
      stopwatch.start()
      client.emit(EVENT, plainMessage(stopwatch.current))
    }
    client.on(EVENT, (message) => {
      const number = numberOf((message as PlainMessage).payload)
      if (number !== stopwatch.current) reject(new Error(`answer ${number} came out of turn`))
      const figures = stopwatch.stop()
      if (figures === undefined) next()
      else resolve(figures)
    })
    next()
  })
}
