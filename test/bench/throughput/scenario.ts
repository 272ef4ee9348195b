// How many messages of 287 bytes a second go one way, from objects to objects and from payload text to payload text.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 1000, full: 3000 }

export function throughput(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const net = pairIn(new URL('./net.js', import.meta.url))
  const ours = pairIn(new URL('./ours.js', import.meta.url))
  return {
    name: 'throughput',
    title: `Throughput, one way, lines of ${LINE_BYTES} bytes with a payload of 7 keys`,
    notes: [
      'net: JSON.stringify of each message, 64 lines joined a write, drain awaited; setEncoding, newline search, JSON.parse.',
      'ours: sendBatch of 200, batches(); every line is validated in full before it is handed out, whatever is read of it.',
      'CPU: processor time of all threads of a side for one message; it shows what the machine was too busy to show.',
    ],
    metrics: [
      { name: 'messagesPerSecond', label: 'msg/s', digits: 0 },
      { name: 'producerCpuNs', label: 'producer CPU ns', digits: 0 },
      { name: 'consumerCpuNs', label: 'consumer CPU ns', digits: 0 },
    ],
    reference: 'net',
    contestants: [
      {
        name: 'net',
        label: 'objects in and out',
        ...net,
        params: { mode: 'object', linesPerWrite: 64, linesPerCork: 0 },
      },
      {
        name: 'net-line',
        label: 'the same, one write a line',
        ...net,
        params: { mode: 'object', linesPerWrite: 1, linesPerCork: 0 },
      },
      {
        name: 'net-cork',
        label: 'the same, corked by 64 lines',
        ...net,
        params: { mode: 'object', linesPerWrite: 1, linesPerCork: 64 },
      },
      {
        name: 'net-text',
        label: 'payload text in, line parsed, payload text cut out',
        ...net,
        params: { mode: 'text', linesPerWrite: 64, linesPerCork: 0 },
      },
      { name: 'ours', label: 'objects in and out', ...ours, params: { mode: 'object' } },
      { name: 'ours-text', label: 'payload text in, payload text out', ...ours, params: { mode: 'text' } },
      {
        name: 'ours-untouched',
        label: 'the same, payload not asked for',
        ...ours,
        params: { mode: 'untouched' },
      },
    ],
    targets: [
      { contestant: 'ours', metric: 'messagesPerSecond', of: 'ratio', atLeast: 1.6 },
      { contestant: 'ours-text', metric: 'messagesPerSecond', of: 'ratio', atLeast: 5 },
    ],
    params: { warmUpMs: Math.min(500, measureMs), measureMs, messagesPerBatch: 200 },
    timeoutMs: 20_000 + measureMs,
  }
}
