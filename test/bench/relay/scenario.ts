// How fast a process in the middle passes on security events that it must check but need not look into.

import { pairIn, roleIn, type Contestant, type Need, type Scale, type Scenario } from '../harness/scenario.js'
import { loadEventLines } from '../input/events.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 600, full: 3000 }
const WARM_UP_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 1000, full: 2000 }
const SPLIT2: readonly Need[] = [{ kind: 'package', name: 'split2' }]

export function relay(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const warmUpMs = WARM_UP_MS[scale]
  const producer = roleIn(new URL('./feeder.js', import.meta.url), 'feeder')
  const net = pairIn(new URL('./net.js', import.meta.url)).consumer
  const split2 = pairIn(new URL('./split2.js', import.meta.url)).consumer
  const ours = pairIn(new URL('./ours.js', import.meta.url)).consumer
  const contestants: Contestant[] = [
    {
      name: 'split2',
      label: 'split2 with JSON.parse of each line as the check; the line goes on as it came',
      consumer: split2,
      needs: SPLIT2,
      producer,
      params: { mode: 'check', untouched: 1 },
    },
    {
      name: 'split2-stringify',
      label: 'split2(JSON.parse) as its README has it, then JSON.stringify',
      consumer: split2,
      needs: SPLIT2,
      producer,
      params: { mode: 'stringify', untouched: 0 },
    },
    {
      name: 'split2-unchecked',
      label: 'split2(), nothing is checked',
      consumer: split2,
      needs: SPLIT2,
      producer,
      params: { mode: 'unchecked', untouched: 1 },
    },
    {
      name: 'net',
      label: 'no split2: newline search, JSON.parse as the check; the line goes on as it came',
      consumer: net,
      producer,
      params: { untouched: 1 },
    },
    {
      name: 'ours',
      label: 'messages go on as they came: batches() into sendBatch()',
      consumer: ours,
      producer,
      params: { mode: 'message', untouched: 1 },
    },
    {
      name: 'ours-rewrapped',
      label: 'a new message around each payload text, checked again as it leaves',
      consumer: ours,
      producer,
      params: { mode: 'payload', untouched: 1 },
    },
    {
      name: 'net-short',
      label: 'net, lines of 287 bytes',
      consumer: net,
      producer,
      params: { input: 'short', untouched: 1 },
      reference: 'net-short',
    },
    {
      name: 'ours-short',
      label: 'ours, lines of 287 bytes, messages go on as they came',
      consumer: ours,
      producer,
      params: { input: 'short', mode: 'message', untouched: 1 },
      reference: 'net-short',
    },
  ]
  return {
    name: 'relay',
    title: 'messages passed on, payload untouched',
    notes: [
      `${loadEventLines().origin}.`,
      'One process feeds ready-made bytes and counts the lines that come back, the same for all; the other one relays.',
      'Where the bytes must not change, the feeder compares them during the warm-up.',
    ],
    metrics: [
      { name: 'messagesPerSecond', label: 'msg/s', digits: 0 },
      { name: 'mebibytesPerSecond', label: 'MiB/s', digits: 0 },
    ],
    reference: 'split2',
    contestants,
    targets: [
      {
        path: 'relay of 287-byte lines, payload untouched',
        contestant: 'ours-short',
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: 'net-short',
        atLeast: 6,
      },
      {
        path: 'relay of security events',
        contestant: 'ours',
        metric: 'messagesPerSecond',
        of: 'ratio',
        against: 'split2',
        atLeast: 10,
      },
    ],
    params: { warmUpMs, measureMs, input: 'events' },
    apart: true,
    timeoutMs: 20_000 + measureMs,
    trialMs: 300 + warmUpMs + measureMs,
  }
}
