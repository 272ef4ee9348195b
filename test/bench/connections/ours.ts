// Many connections over sentinel-ipc, each with a receiver and a sender of its own.

import { dial, listen, newSOCMessage, Receiver, Sender, SOCMsgType, type Connection } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { Shares } from './shares.js'

export async function consumer(context: RoleContext): Promise<Figures> {
  const shares = new Shares(context)
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  return new Promise((resolve, reject) => {
    const receive = async (connection: Connection, number: number): Promise<void> => {
      for await (const batch of new Receiver(connection, 'consumer').batches()) {
        for (const { payload } of batch) {
          if ((payload as LogonEvent).user !== 'alice') throw new Error('something else came')
        }
        const figures = shares.add(number, batch.length)
        if (figures !== undefined) resolve(figures)
      }
    }
    const acceptAll = async (): Promise<void> => {
      let connections = 0
      for await (const connection of listener) receive(connection, connections++).catch(reject)
    }
    acceptAll().catch(reject)
  })
}

export async function producer(context: RoleContext): Promise<undefined> {
  const { directory } = context
  const senders: Sender[] = []
  for (let i = 0; i < context.number('connections'); ++i)
    senders.push(new Sender(await dial(PIPE_NAME, { directory }), 'producer'))
  await Promise.all(senders.map((sender) => send(sender, context.number('messagesPerBatch'))))
  return undefined
}

async function send(sender: Sender, messagesPerBatch: number): Promise<never> {
  for (let i = 0; ;) {
    const batch = Array.from({ length: messagesPerBatch }, () =>
      newSOCMessage(SOCMsgType.Event, logonEvent(i++)),
    )
    await sender.sendBatch(batch)
  }
}
