// Reads a spool without claiming it, for people and tools. While its owner writes, the last record may look torn.

import { isSameBoot, SpoolClock, type SystemClock } from './clock.js'
import { LogFiles } from './log-files.js'
import type { SpoolDamage } from './options.js'
import { Recovery } from './recovery.js'

/** A file of a spool. */
export interface SpoolSegment {
  /** Name of the file. */
  readonly name: string
  /** Size of the file, in bytes. */
  readonly bytes: number
  /** Records with messages that are not settled. */
  readonly records: number
  /** Bytes of these records. */
  readonly liveBytes: number
}

/** Messages that were stored together. */
export interface InspectedRecord {
  /** Number of its first message. */
  readonly first: number
  /** How many messages it holds. */
  readonly count: number
  /** Messages neither settled nor given up. */
  readonly messages: number
  /** Size of their lines; an estimate if some are settled. */
  readonly bytes: number
  /** How long it has waited, in milliseconds. */
  readonly ageMs: number
  /** File name of its segment. */
  readonly segment: string
}

/** The content of a spool at one moment. */
export interface SpoolInspection {
  /** Undefined: the spool is new, or its state cannot be read. */
  readonly session: string | undefined
  /** The durability that the spool was opened with last. */
  readonly durability: 'process' | 'fsync' | undefined
  /** Whether the machine was rebooted since the spool was last opened. */
  readonly rebooted: boolean
  /** Every message up to this number is settled. */
  readonly settledThrough: number
  /** Number of the next message. */
  readonly next: number
  /** Messages that wait. */
  readonly messages: number
  /** Bytes that the files take. */
  readonly bytes: number
  /** Messages lost to damage. */
  readonly lost: number
  /** The files of the log, oldest first. */
  readonly segments: readonly SpoolSegment[]
  /** The records that hold waiting messages, oldest first. */
  readonly records: readonly InspectedRecord[]
  /** The damage that was found. */
  readonly damage: readonly SpoolDamage[]
}

export async function inspect(directory: string, system: SystemClock): Promise<SpoolInspection> {
  const files = await LogFiles.open(directory, 'read')
  try {
    const found = await new Recovery(files, system, 'read').run()
    const { index, start, last, next } = found
    const clock = new SpoolClock(system, last, Infinity)
    return {
      session: start?.session,
      durability: start && (start.fsync ? 'fsync' : 'process'),
      rebooted: last !== undefined && !isSameBoot(system, last),
      settledThrough: index.oldest(next) - 1,
      next,
      messages: index.messages,
      bytes: index.bytes,
      lost: found.lost,
      segments: found.segments.map(({ name, size: bytes, records, liveBytes }) => ({
        name,
        bytes,
        records,
        liveBytes,
      })),
      records: [...index.from(1)].map(
        ({ first, count, live: messages, lineBytes: bytes, keptAtMs, segment }) => ({
          first,
          count,
          messages,
          bytes,
          ageMs: clock.nowMs() - keptAtMs,
          segment: segment?.name ?? '',
        }),
      ),
      damage: found.damages,
    }
  } finally {
    files.close()
  }
}
