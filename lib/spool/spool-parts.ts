// Makes the parts of a spool from what recovery found in the log, joins them, and begins and ends their work. Must
// not know messages, nor who sends them.

import type { IpcError } from '../base/errors.js'
import { callUser } from '../base/user-code.js'
import { randomHex } from '../base/crypto.js'
import { isSameBoot, SpoolClock, type SystemClock } from './clock.js'
import type { LogFiles } from './log-files.js'
import { LogWriter } from './log-writer.js'
import type { SpoolOptions } from './options.js'
import type { RecordIndex } from './record-index.js'
import type { Recovered } from './recovery.js'
import type { Reserve } from './reserve.js'
import { Retention } from './retention.js'
import { SegmentCleaner } from './segment-cleaner.js'
import { SettledNotes } from './settled-notes.js'
import { StateRecords } from './state-records.js'
import { WaitingRecords } from './waiting-records.js'

/** Maximum time that the machine is assumed to have been off, if messages never expire. */
const MAX_GAP_MS = 86_400_000

/** What the parts are made from. */
export interface SpoolBasis {
  readonly options: Required<SpoolOptions>
  readonly files: LogFiles
  readonly system: SystemClock
  readonly recovered: Recovered
  readonly reserve: Reserve
}

/** The spool, as far as its parts need it. */
export interface SpoolOwner {
  /** Returns the number that the next message gets. */
  readonly next: () => number
  /** Called when messages are lost to damage. */
  readonly onLost: (count: number, reason: 'storage', error: IpcError) => void
}

export interface SpoolParts {
  /** The session that the numbers belong to. */
  readonly session: string
  readonly files: LogFiles
  readonly clock: SpoolClock
  readonly index: RecordIndex
  readonly states: StateRecords
  readonly writer: LogWriter
  readonly records: WaitingRecords
  readonly retention: Retention
  readonly notes: SettledNotes
  readonly cleaner: SegmentCleaner
}

/** Makes the parts. Nothing is written until {@link begin}. */
export function assemble(
  { options, files, system, recovered, reserve }: SpoolBasis,
  { next, onLost }: SpoolOwner,
): SpoolParts {
  const { index, segments, newest, last } = recovered
  const { directory } = files
  const { segmentBytes, maxAgeMs, onDamage } = options
  const sync = options.durability === 'fsync'
  const session = sessionOf(system, recovered)
  const settledThrough = (): number => index.oldest(next()) - 1
  // A wrong wall clock alone must not make messages expire.
  const clock = new SpoolClock(system, last, maxAgeMs === Infinity ? MAX_GAP_MS : maxAgeMs / 2)
  const records = new WaitingRecords({
    directory,
    index,
    reported: recovered.reported,
    onDamage,
    onGone: (first, through) => {
      notes.add(first, through)
    },
    onLost,
  })
  const retention = new Retention(records, index, clock, options)
  const states: StateRecords = new StateRecords(
    () => writer,
    clock,
    () => ({
      session,
      fsync: sync,
      settledThrough: settledThrough(),
      next: next(),
      settled: index.settledRanges(next()),
      reported: records.reported,
    }),
  )
  const writer: LogWriter = new LogWriter({
    files,
    reserve,
    nextSequence: (segments.at(-1)?.sequence ?? 0) + 1,
    segmentBytes,
    sync,
    start: (segment) => states.start(segment),
    onSegment: (segment) => {
      cleaner.add(segment)
    },
  })
  const cleaner = new SegmentCleaner({
    files,
    index,
    records,
    writer,
    clock,
    segmentBytes,
    segments,
    newest,
    checkpoint: () => states.checkpoint(),
    onMore: (when) => {
      notes[when]()
    },
  })
  const notes = new SettledNotes(
    (ranges, outcome) => {
      states.settled(ranges, outcome)
    },
    settledThrough,
    () => {
      cleaner.shrink()
    },
  )
  index.onEmpty = () => {
    cleaner.deleteSettled()
  }
  return { session, files, clock, index, states, writer, records, retention, notes, cleaner }
}

/** Reports the damage that was found, and writes a changed state into the log before anything depends on it. */
export async function begin(parts: SpoolParts, { options, recovered }: SpoolBasis): Promise<void> {
  const { session, clock, states, cleaner } = parts
  const { damages, start, last } = recovered
  for (const damage of damages) callUser('onDamage', options.onDamage, damage)
  const changed = start?.session !== session || last?.bootId !== clock.bootId || damages.length > 0
  cleaner.deleteSettled()
  if (!changed || !cleaner.hasSegments) return
  await cleaner.idle()
  try {
    await states.checkpoint()
  } catch (error) {
    // On a full disk, the first record that fits begins the segment. Until then no number is assigned that the log
    // does not cover, because recovery leaves the damage in place.
    if ((error as IpcError).reason !== 'disk-full') throw error
  }
}

/** Writes what waits to be written, and closes the files. Never rejects. */
export async function end({ files, writer, records, notes, cleaner }: SpoolParts): Promise<void> {
  records.close()
  cleaner.close()
  notes.close()
  notes.flush()
  await writer.idle()
  cleaner.shrink()
  await writer.idle()
  await cleaner.idle()
  files.close()
}

/**
 * Returns the session that goes on, or a new one. After a loss of power, numbers may be missing from the log that were
 * sent already: in a new session, receivers do not mistake the messages that get these numbers now for the old ones.
 */
function sessionOf(system: SystemClock, { start, last }: Recovered): string {
  const goesOn = start !== undefined && last !== undefined && (start.fsync || isSameBoot(system, last))
  return goesOn ? start.session : randomHex(16)
}
