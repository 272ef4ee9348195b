// The lines of Endpoint written by hand over a sender and a receiver: a request with an id, and a reply that names it. One
// request under way, so that no ids have to be looked up; no deadlines, bounds or errors.

import { dial, listen, newSOCMessage, Receiver, Sender } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, numberOf, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { Stopwatch } from '../round-trip/stopwatch.js'

interface Reply {
  readonly request: string
  readonly value: LogonEvent
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const connection = await listener.accept()
  const sender = new Sender(connection, 'replier')
  for await (const { id, payload } of new Receiver(connection, 'replier')) {
    await sender.send(newSOCMessage('soc_reply', { request: id, value: payload }))
  }
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  const connection = await dial(PIPE_NAME, { directory: context.directory })
  const sender = new Sender(connection, 'asker')
  const receiver = new Receiver(connection, 'asker')
  const stopwatch = new Stopwatch(context)
  for (;;) {
    stopwatch.start()
    const id = `req-${stopwatch.current}`
    await sender.send(newSOCMessage('lookup', logonEvent(stopwatch.current), { id }))
    const { value: reply } = await receiver.next()
    const { request, value } = reply?.payload as Reply
    if (request !== id || numberOf(value) !== stopwatch.current) throw new Error('another reply came')
    const figures = stopwatch.stop()
    if (figures !== undefined) return figures
  }
}
