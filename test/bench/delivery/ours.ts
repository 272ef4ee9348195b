// The levels of delivery, each with the calls for many messages: plain, acknowledged, and through a spool.

import { join } from 'node:path'

import {
  AcknowledgedSender,
  AcknowledgingReceiver,
  dial,
  listen,
  newSOCMessage,
  rawJSON,
  Receiver,
  Sender,
  SOCMsgType,
  type SOCMessage,
  Spool,
} from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { payloadTexts, PIPE_NAME } from '../input/line.js'
import { Tally } from '../throughput/tally.js'

/** Batches between turns of the event loop, in which acknowledgements are read and commits reported. */
const BATCHES_A_TURN = 8

export async function consumer(context: RoleContext): Promise<Figures> {
  const tally = new Tally(context)
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const connection = await listener.accept()
  const receiver =
    context.text('level') === 'plain'
      ? new Receiver(connection, 'consumer')
      : new AcknowledgingReceiver(connection, 'consumer')
  const batches = receiver.batches()
  for (;;) {
    const { value: batch } = await batches.next()
    if (batch === undefined) throw new Error('the producer hung up')
    for (const message of batch) tally.checkText(message.rawPayload)
    const figures = tally.add(batch.length)
    if (figures !== undefined) return figures
  }
}

export async function producer(context: RoleContext): Promise<undefined> {
  const level = context.text('level')
  const messagesPerBatch = context.number('messagesPerBatch')
  if (level === 'plain') return sendPlainly(context.directory, messagesPerBatch)
  const spool =
    level === 'acknowledged'
      ? undefined
      : await Spool.open({
          directory: join(context.directory, 'spool'),
          durability: level === 'fsync' ? 'fsync' : 'process',
          maxBytes: context.number('spoolBytes'),
        })
  const { directory } = context
  const sender = new AcknowledgedSender(PIPE_NAME, {
    directory,
    ...(spool !== undefined && { spool }),
    onDrop: ({ error }) => {
      throw error
    },
  })
  for (let i = 0; ; ++i) {
    void sender.sendBatch(batch(i * messagesPerBatch, messagesPerBatch))
    await sender.drained()
    if (i % BATCHES_A_TURN === 0) await new Promise(setImmediate)
  }
}

async function sendPlainly(directory: string, messagesPerBatch: number): Promise<undefined> {
  const sender = new Sender(await dial(PIPE_NAME, { directory }), 'producer')
  for (let i = 0; ; i += messagesPerBatch) await sender.sendBatch(batch(i, messagesPerBatch))
}

const texts = payloadTexts()

function batch(from: number, count: number): SOCMessage[] {
  return Array.from({ length: count }, (_, i) =>
    newSOCMessage(SOCMsgType.Event, rawJSON(texts[(from + i) % texts.length] as string)),
  )
}
