// How many messages of 287 bytes a second go one way, from objects to objects and from payload text to payload text.

import type { Contestant, Plot, Scale, Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'
import { childProcess, go, METRICS, native, net, nodeIpc, ours, zeromq } from './contestants.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 600, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 100, normal: 400, full: 1000 }

export function throughput(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  return {
    name: 'throughput',
    title: `one way, lines of ${LINE_BYTES} bytes with a payload of 7 keys`,
    notes: [
      'net: JSON.stringify of each message, drain awaited; setEncoding, newline search, JSON.parse.',
      'ours: sendBatch of 200, batches(); every line is validated in full before it is handed out, whatever is read of it.',
      'zeromq, node-ipc, child-process, go: one message a call, as their documentation has it. C++: bytes only.',
      'CPU: processor time of all threads of a side for one message; it shows what the machine was too busy to show.',
    ],
    metrics: METRICS,
    reference: 'net',
    contestants,
    targets: [
      ratio('payload text in, validated message out, text on demand', 'ours-untouched', 'net', 8),
      ratio('the same', 'ours-untouched', 'go', 12),
      ratio('the same', 'ours-untouched', 'c-line', 1),
      ratio('objects in, objects out', 'ours', 'net', 2.2),
      ratio('the same', 'ours', 'go', 4),
    ],
    params: { warmUpMs, measureMs, messagesPerBatch: 200, payloadBytes: 0 },
    apart: true,
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
    plots: [plot],
  }
}

function ratio(
  path: string,
  contestant: string,
  against: string,
  atLeast: number,
): Scenario['targets'][number] {
  return { path, contestant, metric: 'messagesPerSecond', of: 'ratio', against, atLeast }
}

const contestants: readonly Contestant[] = [
  {
    name: 'net',
    label: 'objects, 64 lines joined a write',
    ...net,
    params: { mode: 'object', linesPerWrite: 64, linesPerCork: 0 },
  },
  {
    name: 'net-line',
    label: 'objects, one write a line',
    ...net,
    params: { mode: 'object', linesPerWrite: 1, linesPerCork: 0 },
  },
  {
    name: 'net-cork',
    label: 'objects, corked by 64 lines',
    ...net,
    params: { mode: 'object', linesPerWrite: 1, linesPerCork: 64 },
  },
  {
    name: 'net-text',
    label: 'payload text in, line parsed, text cut out; 64 a write',
    ...net,
    params: { mode: 'text', linesPerWrite: 64, linesPerCork: 0 },
  },
  { name: 'zeromq', label: 'objects, push and pull over ipc://', ...zeromq },
  { name: 'node-ipc', label: 'objects, @achrinza/node-ipc', ...nodeIpc },
  {
    name: 'fork-json',
    label: "objects, child_process, serialization 'json'",
    ...childProcess,
    params: { serialization: 'json' },
  },
  {
    name: 'fork-advanced',
    label: "objects, child_process, serialization 'advanced'",
    ...childProcess,
    params: { serialization: 'advanced' },
  },
  { name: 'go', label: 'encoding/json and net, message built and written each time', ...go },
  { name: 'c-line', label: 'C++, one write a message', ...native, params: { bytesPerWrite: 0 } },
  { name: 'c-64k', label: 'C++, 64 KiB a write', ...native, params: { bytesPerWrite: 65_536 } },
  { name: 'ours', label: 'objects', ...ours, params: { from: 'object', mode: 'object' } },
  {
    name: 'ours-text',
    label: 'payload text in, payload text out',
    ...ours,
    params: { from: 'text', mode: 'text' },
  },
  {
    name: 'ours-untouched',
    label: 'the same, payload not asked for',
    ...ours,
    params: { from: 'text', mode: 'untouched' },
  },
]

const plot: Plot = {
  kind: 'dots',
  file: 'throughput',
  title: 'Messages a second, one way, one connection',
  subtitle: `Lines of ${LINE_BYTES} bytes, two processes. Dot: median of the rounds; bar: their spread. Logarithmic.`,
  metric: 'messagesPerSecond',
  unit: 'messages/s',
  log: true,
  shown: {
    'node-ipc': '@achrinza/node-ipc',
    'fork-advanced': 'child_process, advanced',
    'fork-json': 'child_process, json',
    go: 'Go, encoding/json + net',
    zeromq: 'zeromq.js, ipc://',
    'net-line': 'net + JSON, a write each',
    net: 'net + JSON, 64 lines a write',
    ours: 'sentinel-ipc, objects',
    'ours-text': 'sentinel-ipc, payload text',
    'ours-untouched': 'sentinel-ipc, text on demand',
    'c-line': 'C++, a write each',
    'c-64k': 'C++, 64 KiB a write',
  },
}
