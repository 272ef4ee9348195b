// How throughput changes with the length of the messages.

import type { Contestant, Scale, Scenario } from '../harness/scenario.js'
import { go, METRICS, native, net, ours, zeromq } from '../throughput/contestants.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 60, normal: 200, full: 1000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 60, normal: 200, full: 500 }
const SIZES = [
  [64, '64 B'],
  [512, '512 B'],
  [4096, '4 KiB'],
  [65_536, '64 KiB'],
  [524_288, '512 KiB'],
] as const
/** Where the project promises something. */
const PROMISED_BYTES = 65_536

/** As much as is worth handing over at once, and no more messages than that. */
const BATCH_BYTES = 256 << 10
const MOST_IN_BATCH = 200
const WRITE_BYTES = 64 << 10
const MOST_IN_WRITE = 64

export function messageSize(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'message-size',
    title: 'one way, payloads of 64 B to 512 KiB: a number and a text',
    notes: [
      `A payload of so many bytes; ours: as much as ${BATCH_BYTES >> 10} KiB and at most ${MOST_IN_BATCH} messages a batch; net: 64 KiB and at most ${MOST_IN_WRITE} lines a write.`,
      'x: against net with payloads of the same length; c-64k and ours-buffer against C++.',
    ],
    metrics: METRICS,
    contestants: SIZES.flatMap(([bytes]) => contestantsFor(bytes)),
    targets: [
      {
        path: '64 KiB payloads as Buffer',
        contestant: `ours-buffer@${PROMISED_BYTES}`,
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: `c-64k@${PROMISED_BYTES}`,
        atLeast: 0.4,
      },
    ],
    params: { warmUpMs, measureMs },
    apart: true,
    timeoutMs: 30_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
    plots: [
      {
        kind: 'lines',
        file: 'message-size',
        title: 'Messages a second by length of the payload',
        subtitle:
          'One way, one connection, two processes. Medians of the rounds, with their spread. Both axes logarithmic.',
        metric: 'messagesPerSecond',
        unit: 'messages/s',
        over: 'payload',
        ticks: SIZES,
        shown: {
          'ours-text': 'sentinel-ipc, payload text',
          ours: 'sentinel-ipc, objects',
          net: 'net + JSON',
          zeromq: 'zeromq.js',
          go: 'Go',
          'c-64k': 'C++, 64 KiB a write',
        },
      },
    ],
  }
}

function contestantsFor(bytes: number): Contestant[] {
  const inBatch = Math.max(1, Math.min(MOST_IN_BATCH, Math.floor(BATCH_BYTES / bytes)))
  const inWrite = Math.max(1, Math.min(MOST_IN_WRITE, Math.floor(WRITE_BYTES / bytes)))
  const base = { payloadBytes: bytes, messagesPerBatch: inBatch }
  const make = (
    name: string,
    label: string,
    sides: Pick<Contestant, 'consumer' | 'producer' | 'needs'>,
    params: Contestant['params'],
    against: string,
  ): Contestant => ({
    name: `${name}@${bytes}`,
    label,
    ...sides,
    params: { ...base, ...params },
    reference: `${against}@${bytes}`,
    line: { name, at: bytes },
  })
  const all = [
    make('net', 'objects', net, { mode: 'object', linesPerWrite: inWrite, linesPerCork: 0 }, 'net'),
    make('ours', 'objects', ours, { from: 'object', mode: 'object' }, 'net'),
    make('ours-text', 'payload text in and out', ours, { from: 'text', mode: 'text' }, 'net'),
    make('zeromq', 'objects', zeromq, {}, 'net'),
    make('go', 'encoding/json', go, {}, 'net'),
    make('c-64k', 'C++, 64 KiB a write', native, { bytesPerWrite: 65_536 }, 'c-64k'),
  ]
  if (bytes !== PROMISED_BYTES) return all
  return [
    ...all,
    make(
      'ours-buffer',
      'Buffers in, payload not asked for',
      ours,
      { from: 'buffer', mode: 'untouched' },
      'c-64k',
    ),
  ]
}
