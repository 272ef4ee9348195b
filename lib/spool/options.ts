// Options and counts of a spool, and the damage that it reports: their meaning, defaults and checks.

import {
  callback,
  checkOptions,
  oneOf,
  text,
  wholeNumber,
  wrongKind,
  type OptionTable,
} from '../base/options.js'

/** Damage found in a spool. */
export interface SpoolDamage {
  /**
   * `tail`: the log ends with an incomplete record, as after a crash in the middle of a write; it is cut off. `record`:
   * one record is damaged; its messages are lost. `start`: the head of a segment is damaged; its
   * messages are kept.
   */
  readonly what: 'tail' | 'record' | 'start'
  /** File name of the segment. */
  readonly segment: string
  /** Offset in the file at which the damage begins. */
  readonly offset: number
  /** Length of the damage, in bytes. */
  readonly bytes: number
  /** Number of the first message of the damaged record; absent if that is damaged too. */
  readonly first?: number
  /** How many messages the damaged record held; absent if that is damaged too. */
  readonly count?: number
}

/** Options of `Spool.open`. */
export interface SpoolOptions {
  /** An absolute or relative path. Made with mode 0700 if it is absent; it must belong to this user alone. */
  readonly directory: string
  /**
   * Maximum size of the kept messages in bytes: their lines, plus 96 bytes per record. The files may take twice that.
   * Default: 256 MiB.
   */
  readonly maxBytes?: number
  /** Messages that wait for longer, and are not in flight, are given up. Default: never. */
  readonly maxAgeMs?: number
  /**
   * The failures that a kept message survives: `process`: the end of this process at any moment; `fsync`: also a loss
   * of power. Default: `process`.
   */
  readonly durability?: 'process' | 'fsync'
  /**
   * Size in bytes at which a file of the log is full and the next one begins. Default: 64 MiB, or 1/256 of `maxBytes`
   * if that is more.
   */
  readonly segmentBytes?: number
  /** Called with each damage found. Default: a warning of the process. */
  readonly onDamage?: (damage: SpoolDamage) => void
}

/** The content of a {@link Spool}, in numbers. */
export interface SpoolStats {
  /** Messages that wait. */
  readonly messages: number
  /** Bytes of the messages that wait. */
  readonly bytes: number
  /** Maximum size of the kept messages in bytes. */
  readonly maxBytes: number
  /** The number that the next message gets. */
  readonly next: number
  /** Every number through this one is settled. */
  readonly settledThrough: number
}

const TABLE: OptionTable<SpoolOptions> = {
  directory: text,
  maxBytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  maxAgeMs: (value, name) => {
    if (typeof value !== 'number')
      throw wrongKind(name, 'a positive number of milliseconds, or Infinity', value)
    if (!(value > 0))
      throw new RangeError(`${name} must be a positive number of milliseconds, or Infinity, not ${value}`)
  },
  durability: oneOf('process', 'fsync'),
  segmentBytes: wholeNumber(4096, 2 ** 31),
  onDamage: callback,
}

/** @throws TypeError, RangeError for options that cannot be right */
export function checkSpoolOptions(options: SpoolOptions): Required<SpoolOptions> {
  const given = checkOptions('Spool.open', options, TABLE)
  if (given.directory === undefined) throw new TypeError('Spool.open: directory is required')
  const maxBytes = given.maxBytes ?? 256 << 20
  return {
    directory: given.directory,
    maxBytes,
    maxAgeMs: given.maxAgeMs ?? Infinity,
    durability: given.durability ?? 'process',
    segmentBytes: given.segmentBytes ?? Math.min(2 ** 31, Math.max(64 << 20, Math.ceil(maxBytes / 256))),
    onDamage: given.onDamage ?? warn,
  }
}

function warn({ what, segment, offset, bytes, count }: SpoolDamage): void {
  const lost = count === undefined ? '' : `, ${count} messages lost`
  process.emitWarning(
    `the spool is damaged: ${what}, ${segment} from byte ${offset}, ${bytes} bytes${lost}`,
    {
      code: 'SENTINEL_IPC_SPOOL_DAMAGED',
    },
  )
}
