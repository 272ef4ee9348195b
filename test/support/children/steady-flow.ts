// One side of a steady flow of messages. After each stretch, collects garbage and reports the memory still in use.
// Must be started with --expose-gc.

import { getHeapSpaceStatistics } from 'node:v8'

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
} from 'sentinel-ipc'

const { side, directory, form, stretches, messages, leak } = JSON.parse(process.argv[2] ?? '{}') as {
  side: 'sender' | 'receiver'
  directory: string
  /** `acknowledged`: text, with acknowledgements. */
  form: 'object' | 'text' | 'acknowledged'
  stretches: number
  messages: number
  /** Keeps a little of each message, to show that this is noticed. */
  leak: boolean
}
const BATCH = 100
const kept: unknown[] = []

function report(): void {
  if (globalThis.gc === undefined) throw new Error('the process must be started with --expose-gc')
  // What the first one makes unreachable, such as the memory behind a buffer, goes with the second.
  globalThis.gc()
  globalThis.gc()
  const oldSpace = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')
  if (oldSpace === undefined) throw new Error('there is no old space')
  process.send?.({
    oldSpaceBytes: oldSpace.space_used_size,
    arrayBufferBytes: process.memoryUsage().arrayBuffers,
  })
}

function keep(message: SOCMessage): void {
  if (leak) kept.push({ id: message.id })
}

function makeMessage(i: number): SOCMessage {
  const payload = { host: 'web-1', user: 'alice', sequence: i, text: 'x'.repeat(100) }
  return newSOCMessage(SOCMsgType.Event, form === 'object' ? payload : rawJSON(JSON.stringify(payload)))
}

async function send(): Promise<void> {
  const connection = await dial('steady', { directory })
  const sender = new Sender(connection, 'sender')
  const answers = new Receiver(connection, 'answers')
  for (let stretch = 0; stretch < stretches; ++stretch) {
    for (let i = 0; i < messages; i += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, k) => makeMessage(i + k))
      batch.forEach(keep)
      await sender.sendBatch(batch)
      // One by one too: that is another way through the code.
      if (i % (10 * BATCH) === 0) await sender.send(makeMessage(i))
    }
    await sender.send(newSOCMessage(SOCMsgType.Heartbeat))
    await answers.next()
    report()
  }
}

async function receive(): Promise<void> {
  const listener = await listen('steady', { directory })
  process.send?.('ready')
  const connection = await listener.accept()
  const answers = new Sender(connection, 'answers')
  const receiver = new Receiver(connection, 'receiver')
  const batches = receiver.batches()
  for (let stretch = 0; stretch < stretches;) {
    const { value: batch } = await batches.next()
    if (batch === undefined) throw new Error('the sender hung up')
    for (const message of batch) {
      if (message.type === SOCMsgType.Heartbeat) {
        ++stretch
        await answers.send(newSOCMessage(SOCMsgType.Ack))
      } else {
        keep(message)
        if ((form === 'object' ? message.payload : message.rawPayload) === undefined)
          throw new Error('a message has no payload')
      }
    }
    if (batch.at(-1)?.type === SOCMsgType.Heartbeat) report()
  }
}

async function sendAcknowledged(): Promise<void> {
  const sender = new AcknowledgedSender('steady', { directory })
  for (let stretch = 0; stretch < stretches; ++stretch) {
    for (let i = 0; i < messages; i += BATCH) {
      const batch = Array.from({ length: BATCH }, (_, k) => makeMessage(i + k))
      batch.forEach(keep)
      void sender.sendBatch(batch)
      await sender.drained()
    }
    await sender.flush()
    report()
  }
}

async function receiveAcknowledged(): Promise<void> {
  const listener = await listen('steady', { directory })
  process.send?.('ready')
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'receiver')
  const batches = receiver.batches()
  for (let stretch = 1, received = 0; stretch <= stretches;) {
    const { value: batch } = await batches.next()
    if (batch === undefined) throw new Error('the sender hung up')
    batch.forEach(keep)
    received += batch.length
    if (received < stretch * messages) continue
    ++stretch
    report()
  }
  // Says that the last run is done with.
  await batches.next()
}

const roles = {
  sender: form === 'acknowledged' ? sendAcknowledged : send,
  receiver: form === 'acknowledged' ? receiveAcknowledged : receive,
}
await roles[side]()
