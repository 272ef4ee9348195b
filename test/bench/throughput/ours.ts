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
import { logonEvent, payloadTexts, PIPE_NAME, type LogonEvent } from '../input/line.js'
import { Tally } from './tally.js'

const takers: Readonly<Record<string, (batch: readonly SOCMessage[], tally: Tally) => void>> = {
  object: (batch, tally) => {
    for (const message of batch) tally.checkObject(message.payload as LogonEvent)
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

export async function producer(context: RoleContext): Promise<undefined> {
  const sender = new Sender(await dial(PIPE_NAME, { directory: context.directory }), 'producer')
  const messagesPerBatch = context.number('messagesPerBatch')
  const makeMessage = context.text('mode') === 'object' ? messageOfObject : messageOfText
  for (let i = 0; ;) {
    const batch: SOCMessage[] = []
    for (const end = i + messagesPerBatch; i < end; ++i) batch.push(makeMessage(i))
    await sender.sendBatch(batch)
  }
}

function messageOfObject(i: number): SOCMessage {
  return newSOCMessage(SOCMsgType.Event, logonEvent(i))
}

const texts = payloadTexts()

function messageOfText(i: number): SOCMessage {
  return newSOCMessage(SOCMsgType.Event, rawJSON(texts[i % texts.length] as string))
}
