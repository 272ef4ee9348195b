// Options of a spool in LMDB: what they mean, their defaults, and their checks.

import { checkLimit } from '../endpoints/message-queue.js'
import type { SpoolDamage } from './spool-opening.js'

/** Options of `LmdbSpool.open`. */
export interface LmdbSpoolOptions {
  /** Where it is; made with mode 0700 when it is absent. It must be this user's alone. */
  readonly directory: string
  /** What kept messages may come to in bytes, as lines and a little more. The file may be larger. Default 256 MiB. */
  readonly maxBytes?: number
  /** Messages that wait for longer, and are not in flight, are given up. Default: never. */
  readonly maxAgeMs?: number
  /**
   * What a kept message survives: `process` the death of this process at any moment, `fsync` also the loss of power.
   * Default `process`.
   */
  readonly durability?: 'process' | 'fsync'
  /** Told of damage that was found, and of where the damaged part was put. Default: a process warning. */
  readonly onDamage?: (damage: SpoolDamage) => void
}

/** @throws TypeError, RangeError for what makes no sense */
export function checkOptions(options: LmdbSpoolOptions): Required<LmdbSpoolOptions> {
  const { directory, maxAgeMs = Infinity, durability = 'process', onDamage = warn } = options
  if (typeof directory !== 'string' || directory === '') throw new TypeError('directory must be a path')
  if (!(maxAgeMs > 0)) throw new RangeError('maxAgeMs must be a positive number of milliseconds')
  if (durability !== 'process' && durability !== 'fsync') {
    throw new TypeError("durability must be 'process' or 'fsync'")
  }
  return {
    directory,
    maxBytes: checkLimit('maxBytes', options.maxBytes, 256 << 20),
    maxAgeMs,
    durability,
    onDamage,
  }
}

function warn(damage: SpoolDamage): void {
  process.emitWarning(
    `the spool is damaged (${damage.what}); see ${damage.path ?? 'nothing that could be kept'}`,
    { code: 'SENTINEL_IPC_SPOOL_DAMAGED' },
  )
}
