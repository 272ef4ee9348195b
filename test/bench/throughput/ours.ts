// Throughput over sentinel-ipc, with its calls for many messages.

import {
  dial,
  listen,
  newSOCMessage,
  rawJSON,
  Receiver,
  Sender,
  SOCMsgType,
  type SOCMessage,
} from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { eventMaker, payloadTexts, PIPE_NAME, type NumberedEvent } from '../input/line.js'
import { Tally } from './tally.js'

const takers: Readonly<Record<string, (batch: readonly SOCMessage[], tally: Tally) => void>> = {
  object: (batch, tally) => {
    for (const message of batch) tally.checkObject(message.payload as NumberedEvent)
  },
  text: (batch, tally) => {
    for (const message of batch) tally.checkText(message.rawPayload)
  },
  untouched: () => undefined,
}

export async function consumer(context: RoleContext): Promise<Figures> {
  const tally = new Tally(context)
  const take = takers[context.text('mode')]
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const receiver = new Receiver(await listener.accept(), 'consumer')
  const batches = receiver.batches()
  // Not with `for await`: leaving that would hang up, and make the producer fail before there are figures.
  for (;;) {
    const { value: batch } = await batches.next()
    if (batch === undefined) throw new Error('the producer hung up')
    take?.(batch, tally)
    const figures = tally.add(batch.length)
    if (figures !== undefined) return figures
  }
}

/** How messages are made of what a program has: objects, JSON text, or JSON text in buffers. */
const makers: Readonly<Record<string, (payloadBytes: number) => (i: number) => SOCMessage>> = {
  object: (payloadBytes) => {
    const makeEvent = eventMaker(payloadBytes)
    return (i) => newSOCMessage(SOCMsgType.Event, makeEvent(i))
  },
  text: (payloadBytes) => {
    const texts = payloadTexts(payloadBytes)
    return (i) => newSOCMessage(SOCMsgType.Event, rawJSON(texts[i % texts.length] as string))
  },
  buffer: (payloadBytes) => {
    const buffers = payloadTexts(payloadBytes).map((text) => Buffer.from(text))
    return (i) => newSOCMessage(SOCMsgType.Event, rawJSON(buffers[i % buffers.length] as Buffer))
  },
}

export async function producer(context: RoleContext): Promise<undefined> {
  const makeMessage = makers[context.text('from')]?.(context.number('payloadBytes'))
  if (makeMessage === undefined) throw new Error(`nothing is made from ${context.text('from')}`)
  const sender = new Sender(await dial(PIPE_NAME, { directory: context.directory }), 'producer')
  const messagesPerBatch = context.number('messagesPerBatch')
  for (let i = 0; ;) {
    const batch: SOCMessage[] = []
    for (const end = i + messagesPerBatch; i < end; ++i) batch.push(makeMessage(i))
    await sender.sendBatch(batch)
  }
}
