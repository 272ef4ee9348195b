// The cost of delivery guarantees: messages of 287 bytes per second, plain, acknowledged, and through a spool.

import { pairIn, type Scale, type Scenario } from '../harness/scenario.js'
import { LINE_BYTES } from '../input/line.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 1000, full: 3000 }

export function delivery(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const ours = pairIn(new URL('./ours.js', import.meta.url))
  return {
    name: 'delivery',
    title: `Levels of delivery, one way, lines of ${LINE_BYTES} bytes, payload text in and out`,
    notes: [
      'plain: Sender.sendBatch. acknowledged: AcknowledgedSender.sendBatch, the window kept below half by drained().',
      'spooled: the same with an Spool; what is measured is what came out of the other end, not what went into the spool.',
      'All of 512 messages a batch. A spool adds a third busy thread, which writes to the temporary directory.',
    ],
    metrics: [
      { name: 'messagesPerSecond', label: 'msg/s', digits: 0 },
      { name: 'producerCpuNs', label: 'producer CPU ns', digits: 0 },
      { name: 'consumerCpuNs', label: 'consumer CPU ns', digits: 0 },
    ],
    reference: 'plain',
    contestants: [
      { name: 'plain', label: 'Sender', ...ours, params: { level: 'plain' } },
      { name: 'acknowledged', label: 'AcknowledgedSender', ...ours, params: { level: 'acknowledged' } },
      { name: 'spooled', label: "… spool, 'process'", ...ours, params: { level: 'process' } },
      { name: 'spooled-fsync', label: "… spool, 'fsync'", ...ours, params: { level: 'fsync' } },
    ],
    targets: [
      {
        path: 'acknowledged delivery',
        contestant: 'acknowledged',
        metric: 'messagesPerSecond',
        of: 'ratio',
        atLeast: 0.7,
      },
      {
        path: 'spooled delivery',
        contestant: 'spooled',
        metric: 'messagesPerSecond',
        of: 'value',
        atLeast: 500_000,
      },
    ],
    params: {
      warmUpMs: Math.min(500, measureMs),
      measureMs,
      messagesPerBatch: 512,
      spoolBytes: 1 << 26,
      payloadBytes: 0,
    },
    apart: true,
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + Math.min(500, measureMs) + measureMs,
    plots: [
      {
        kind: 'dots',
        file: 'delivery',
        title: 'What a promise costs',
        subtitle: `Messages of ${LINE_BYTES} bytes a second, payload text in and out. Dot: median of the rounds; bar: their spread.`,
        metric: 'messagesPerSecond',
        unit: 'messages/s',
        log: false,
        shown: {
          plain: 'plain (at most once)',
          acknowledged: 'acknowledged',
          spooled: 'spooled, survives kill -9',
          'spooled-fsync': 'spooled, fsync',
        },
      },
    ],
  }
}
