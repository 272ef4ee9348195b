// A publisher and its subscribers, in a process each; and the same with a sender for each subscriber.

import { setImmediate as nextTurn } from 'node:timers/promises'

import { dial, listen, newSOCMessage, Publisher, Receiver, Sender, SOCMsgType } from 'sentinel-ipc'

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { logonEvent, PIPE_NAME } from '../input/line.js'

/** Messages published in one turn of the event loop: a batch of 64 KiB. */
const MESSAGES_PER_TURN = 230
/** A subscriber with more waiting has the publisher wait. */
const MOST_PENDING_BYTES = 1 << 18

export async function consumer(context: RoleContext): Promise<Figures> {
  const meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  // Those that never read connect first.
  for (let i = 0; i < context.number('stalled'); ++i) await listener.accept()
  return new Promise((resolve, reject) => {
    const receive = async (receiver: Receiver): Promise<void> => {
      for await (const batch of receiver.batches()) {
        if (meter.add(batch.length)) resolve({ messagesPerSecond: meter.rate })
      }
    }
    const acceptAll = async (): Promise<void> => {
      for await (const connection of listener) receive(new Receiver(connection, 'subscriber')).catch(reject)
    }
    acceptAll().catch(reject)
  })
}

export async function producer(context: RoleContext): Promise<undefined> {
  const publisher = new Publisher()
  const stalled = context.number('stalled')
  const count = stalled + context.number('subscribers')
  for (let i = 0; i < count; ++i) publisher.add(await dial(PIPE_NAME, { directory: context.directory }))
  const reading = [...publisher.subscribers].slice(stalled)
  const waiting = (): boolean => reading.some(({ stats }) => stats.pendingBytes > MOST_PENDING_BYTES)
  for (let i = 0; ;) {
    for (const end = i + MESSAGES_PER_TURN; i < end; ++i) {
      publisher.publish(newSOCMessage(SOCMsgType.Event, logonEvent(i)))
    }
    do await nextTurn()
    while (waiting())
  }
}

export async function senders(context: RoleContext): Promise<undefined> {
  const all: Sender[] = []
  for (let i = 0; i < context.number('subscribers'); ++i) {
    all.push(new Sender(await dial(PIPE_NAME, { directory: context.directory }), 'producer'))
  }
  for (let i = 0; ;) {
    const messages = Array.from({ length: MESSAGES_PER_TURN }, () =>
      newSOCMessage(SOCMsgType.Event, logonEvent(i++)),
    )
    await Promise.all(all.map((sender) => sender.sendBatch(messages)))
  }
}
