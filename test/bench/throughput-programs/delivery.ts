// How fast acknowledged and spooled delivery are beside plain `sendBatch`: the same 287-byte lines, payload as raw text,
// one after the other in one run. Usage: node out/test/bench/throughput-programs/delivery.js [seconds for each] [rounds]

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
  Spool,
} from 'sentinel-ipc'
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { payloadTexts } from '../input/line.js'

type Mode = 'plain' | 'acknowledged' | 'spooled' | 'spooled-fsync'
const MODES = (process.argv[4]?.split(',') ?? ['plain', 'acknowledged', 'spooled', 'spooled-fsync']) as Mode[]
const BATCH = 512
const texts = payloadTexts()

async function consume(directory: string, mode: Mode): Promise<void> {
  const listener = await listen('bench', { directory })
  process.send?.('ready')
  const connection = await listener.accept()
  const receiver =
    mode === 'plain' ? new Receiver(connection, 'r') : new AcknowledgingReceiver(connection, 'r')
  let bytes = 0
  for await (const run of receiver.batches())
    for (const message of run) bytes += message.rawPayload?.length ?? 0
  if (bytes === 0) process.exitCode = 1
  process.disconnect()
}

function batch(from: number): ReturnType<typeof newSOCMessage>[] {
  return Array.from({ length: BATCH }, (_, i) =>
    newSOCMessage(SOCMsgType.Event, rawJSON(texts[(from + i) % texts.length] as string)),
  )
}

async function produce(directory: string, mode: Mode, ms: number): Promise<number> {
  let sent = 0
  if (mode === 'plain') {
    const sender = new Sender(await dial('bench', { directory }), 's')
    const started = performance.now()
    while (performance.now() - started < ms) {
      await sender.sendBatch(batch(sent))
      sent += BATCH
    }
    const rate = (sent * 1000) / (performance.now() - started)
    await sender.close()
    return rate
  }
  const spool = mode.startsWith('spooled')
    ? await Spool.open({
        directory: join(directory, mode),
        durability: mode === 'spooled-fsync' ? 'fsync' : 'process',
      })
    : undefined
  const sender = new AcknowledgedSender('bench', { directory, ...(spool !== undefined && { spool }) })
  await sender.send(newSOCMessage(SOCMsgType.Event, 0))
  const started = performance.now()
  while (performance.now() - started < ms) {
    void sender.sendBatch(batch(sent))
    sent += BATCH
    await sender.drained()
    // A turn of the event loop every now and then, so that acknowledgements are read.
    if (sent % (BATCH * 8) === 0) await new Promise(setImmediate)
  }
  await sender.flush()
  const rate = (sender.stats.acknowledged * 1000) / (performance.now() - started)
  if (sender.stats.dropped > 0 || sender.stats.acknowledged !== sender.stats.accepted)
    throw new Error('it lost some')
  await sender.close()
  return rate
}

async function measure(mode: Mode, ms: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-throughput-'))
  const consumer = fork(fileURLToPath(import.meta.url), ['consume', directory, mode])
  try {
    await new Promise((resolve) => consumer.once('message', resolve))
    return await produce(directory, mode, ms)
  } finally {
    consumer.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

if (process.argv[2] === 'consume') {
  await consume(process.argv[3] ?? '', process.argv[4] as Mode)
} else {
  const ms = Number(process.argv[2] ?? 2) * 1000
  const rounds = Number(process.argv[3] ?? 3)
  const rates = new Map<Mode, number[]>(MODES.map((mode) => [mode, []]))
  for (let round = 0; round < rounds; ++round) {
    for (const mode of MODES) rates.get(mode)?.push(await measure(mode, ms))
  }
  const medians = MODES.map((mode) => {
    const sorted = (rates.get(mode) ?? []).sort((a, b) => a - b)
    return [mode, sorted[sorted.length >> 1] ?? 0] as const
  })
  const plain = medians[0]?.[1] ?? 1
  for (const [mode, rate] of medians) {
    console.log(
      `${mode.padEnd(14)} ${(rate / 1e6).toFixed(2)} M msg/s  ${((100 * rate) / plain).toFixed(0)} %`,
    )
  }
}
