// Receivers of messages whose payloads are checked with a schema of zod: by validated(), by hand, and not at all.

import { dial, listen, newSOCMessage, rawJSON, Receiver, Sender, SOCMsgType, validated } from 'sentinel-ipc'
import { z } from 'zod'

import { Meter } from '../harness/meter.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, payloadTexts, PIPE_NAME, type NumberedEvent } from '../input/line.js'

const MESSAGES_PER_BATCH = 230

const schema = z.object({
  host: z.string(),
  user: z.string(),
  src_ip: z.ipv4(),
  dst_port: z.int().min(1).max(65_535),
  process: z.string(),
  sequence: z.int(),
  message: z.string().max(1000),
})

/** Hands out payloads in one of the ways that are compared. */
const ways: Readonly<Record<string, (receiver: Receiver) => AsyncGenerator<NumberedEvent, void>>> = {
  async *validated(receiver) {
    for await (const { payload } of validated(receiver, { [SOCMsgType.Event]: schema })) yield payload
  },
  async *byHand(receiver) {
    for await (const { type, payload } of receiver) {
      if (type !== SOCMsgType.Event) throw new Error(`a message of type ${type} came`)
      yield schema.parse(payload)
    }
  },
  async *unchecked(receiver) {
    for await (const { payload } of receiver) yield payload as NumberedEvent
  },
}

export async function consumer(context: RoleContext): Promise<Figures> {
  const meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
  const way = ways[context.text('way')]
  if (way === undefined) throw new Error(`there is no way ${context.text('way')}`)
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  const payloads = way(new Receiver(await listener.accept(), 'consumer'))
  // Not with `for await`: leaving that would hang up, and make the producer fail before there are figures.
  for (let count = 1; ; ++count) {
    const { value: payload } = await payloads.next()
    if (payload === undefined) throw new Error('the producer hung up')
    if (!(numberOf(payload) >= 0)) throw new Error('another payload came')
    if (count % MESSAGES_PER_BATCH === 0 && meter.add(MESSAGES_PER_BATCH)) {
      return { messagesPerSecond: meter.rate }
    }
  }
}

export async function producer(context: RoleContext): Promise<undefined> {
  const payloads = payloadTexts().map((text) => rawJSON(text))
  const sender = new Sender(await dial(PIPE_NAME, { directory: context.directory }), 'producer')
  for (let i = 0; ;) {
    const messages = Array.from({ length: MESSAGES_PER_BATCH }, () =>
      newSOCMessage(SOCMsgType.Event, payloads[i++ % payloads.length]),
    )
    await sender.sendBatch(messages)
  }
}
