// The options of `flushSync`, the same for all senders.

import { checkOptions, millisecondsOrZero, type OptionTable } from '../base/options.js'

/** Options of `flushSync`. */
export interface FlushSyncOptions {
  /**
   * Longest time to wait for the peer to read, in milliseconds; 0: write only what the kernel takes at once. Default:
   * 1000.
   */
  readonly timeoutMs?: number
}

const TABLE: OptionTable<FlushSyncOptions> = { timeoutMs: millisecondsOrZero }
const DEFAULT_TIMEOUT_MS = 1000

/** @throws TypeError, RangeError for options that are not allowed */
export function flushSyncTimeoutOf(options: FlushSyncOptions | undefined): number {
  return checkOptions('flushSync', options, TABLE).timeoutMs ?? DEFAULT_TIMEOUT_MS
}
