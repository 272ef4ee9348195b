// Throughput over @achrinza/node-ipc: emit() for each message, with the back-pressure of the socket below it respected,
// as without that it only fills memory.

import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { eventMaker, plainMessage, type PlainMessage } from '../input/line.js'
import { connectNodeIpc, EVENT, serveNodeIpc } from '../input/node-ipc.js'
import { Tally } from './tally.js'

/** It parses nothing before a read ends with a whole message, so that short bursts serve it best. */
const MESSAGES_PER_BURST = 32

export function consumer(context: RoleContext): Promise<Figures> {
  const tally = new Tally(context)
  let messages = 0
  return new Promise((resolve) => {
    serveNodeIpc(context.directory, context.ready, (message) => {
      tally.checkObject((message as PlainMessage).payload)
      if (++messages < MESSAGES_PER_BURST) return
      const figures = tally.add(messages)
      if (figures !== undefined) resolve(figures)
      messages = 0
    })
  })
}

export async function producer(context: RoleContext): Promise<undefined> {
  const client = await connectNodeIpc(context.directory)
  const makeEvent = eventMaker(context.number('payloadBytes'))
  for (let i = 0; ;) {
    for (const end = i + MESSAGES_PER_BURST; i < end; ++i) client.emit(EVENT, plainMessage(i, makeEvent(i)))
    if (client.socket.writableNeedDrain) await once(client.socket, 'drain')
    else await nextTurn()
  }
}
