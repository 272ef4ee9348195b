// What the crash run was asked for, and chance that a seed repeats.

import { misused, readOptions, wholeNumber } from '../../release/options.js'

export interface CrashOptions {
  readonly kills: number
  readonly messages: number
  readonly seed: number
  readonly durability: 'process' | 'fsync'
  readonly fullDisk: boolean
  /** When to stop killing, even if there were fewer kills. */
  readonly minutes: number
}

const HELP = `Usage: npm run test:crash -- [options]

Kills sender, receiver or both with SIGKILL at random moments, while connections are cut, messages are refused, handlers
throw and the clock jumps, and looks whether a message was lost, came twice, out of order, or came although it was refused.

  --kills N       how often (default 100; --long: 1000)
  --messages N    how many messages go through meanwhile (default 100000; --long: 1000000)
  --seed S        repeats the choices of an earlier run (default: by chance)
  --durability D  process (default) or fsync
  --full-disk     fills the disk of the spool now and then (needs root, to mount a small one)
  --minutes N     stops after so many minutes with fewer kills and messages (default: no limit)
  --long          the long run
  --help          this text`

export function parseOptions(): CrashOptions {
  const { values } = readOptions(HELP, {
    options: {
      kills: { type: 'string' },
      messages: { type: 'string' },
      seed: { type: 'string' },
      durability: { type: 'string', default: 'process' },
      'full-disk': { type: 'boolean', default: false },
      minutes: { type: 'string', default: 'Infinity' },
      long: { type: 'boolean', default: false },
    },
  })
  if (values.durability !== 'process' && values.durability !== 'fsync') {
    misused('--durability must be process or fsync')
  }
  if (!(Number(values.minutes) > 0)) misused('--minutes must be a positive number')
  return {
    kills: wholeNumber('kills', values.kills ?? (values.long ? '1000' : '100')),
    messages: wholeNumber('messages', values.messages ?? (values.long ? '1000000' : '100000')),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : wholeNumber('seed', values.seed),
    durability: values.durability,
    fullDisk: values['full-disk'],
    minutes: Number(values.minutes),
  }
}

/** Messages that the application rejects, or whose line the receiver refuses. */
export function isRefused(index: number): boolean {
  return index % 997 === 0
}

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
