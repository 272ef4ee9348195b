// Throughput over zeromq.js: push and pull over ipc://, one message a send, each send awaited, as its README has it.

import type { Figures, RoleContext } from '../harness/scenario.js'
import { eventMaker, plainMessage, type PlainMessage } from '../input/line.js'
import { newZeromqSocket, zeromqEndpoint } from '../input/zeromq.js'
import { Tally } from './tally.js'

export async function consumer(context: RoleContext): Promise<Figures> {
  const tally = new Tally(context)
  const socket = newZeromqSocket('Pull')
  await socket.bind(zeromqEndpoint(context.directory))
  context.ready()
  // It comes message by message, so the clock must not be read for each.
  const messagesPerLook = context.number('messagesPerBatch')
  let messages = 0
  for await (const [message] of socket) {
    tally.checkObject((JSON.parse(String(message)) as PlainMessage).payload)
    if (++messages < messagesPerLook) continue
    const figures = tally.add(messages)
    if (figures !== undefined) return figures
    messages = 0
  }
  throw new Error('the socket was closed')
}

export async function producer(context: RoleContext): Promise<undefined> {
  const makeEvent = eventMaker(context.number('payloadBytes'))
  const socket = newZeromqSocket('Push')
  socket.connect(zeromqEndpoint(context.directory))
  for (let i = 0; ; ++i) await socket.send(JSON.stringify(plainMessage(i, makeEvent(i))))
}
