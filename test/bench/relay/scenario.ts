// How fast a process in the middle passes on security events that it must check but need not look into.

import { pairIn, roleIn, type Contestant, type Scale, type Scenario } from '../harness/scenario.js'
import { loadEventLines } from '../input/events.js'

const MEASURE_MS: Readonly<Record<Scale, number>> = { quick: 150, normal: 1000, full: 3000 }

export function relay(scale: Scale): Scenario {
  const measureMs = MEASURE_MS[scale]
  const producer = roleIn(new URL('./feeder.js', import.meta.url), 'feeder')
  const net = pairIn(new URL('./net.js', import.meta.url)).consumer
  const split2 = pairIn(new URL('./split2.js', import.meta.url)).consumer
  const ours = pairIn(new URL('./ours.js', import.meta.url)).consumer
  const contestants: Contestant[] = [
    {
      name: 'split2',
      label: 'split2 with JSON.parse of each line as the check; the line goes on as it came',
      consumer: split2,
      producer,
      params: { mode: 'check', untouched: 1 },
    },
    {
      name: 'split2-stringify',
      label: 'split2(JSON.parse) as its README has it, then JSON.stringify',
      consumer: split2,
      producer,
      params: { mode: 'stringify', untouched: 0 },
    },
    {
      name: 'split2-unchecked',
      label: 'split2(), nothing is checked',
      consumer: split2,
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
  ]
  return {
    name: 'relay',
    title: 'Relay of security events, payload untouched',
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
    targets: [{ contestant: 'ours', metric: 'messagesPerSecond', of: 'ratio', atLeast: 6 }],
    params: { warmUpMs: Math.min(500, measureMs), measureMs },
    timeoutMs: 20_000 + measureMs,
    peers: ['split2'],
  }
}
