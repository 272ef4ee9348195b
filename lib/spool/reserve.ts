// A file that takes up disk space in advance. When the disk is full, that space is released, so that settlements can
// still be recorded and the log can shrink; otherwise a full disk could never be emptied.
//
//   not held ──take──▶ held ──release (the disk is full)──▶ not held

import { randomHex } from '../base/crypto.js'
import type { LogFiles, Segment } from './log-files.js'

export const RESERVE_BYTES = 1 << 16

export class Reserve {
  readonly #files: LogFiles
  #file: Segment | undefined
  #held = false

  constructor(files: LogFiles) {
    this.#files = files
  }

  get held(): boolean {
    return this.#held
  }

  /** Finds the reserve of an earlier process. If there is none, the spool begins without a reserve. Never rejects. */
  async find(): Promise<void> {
    this.#file = await this.#files.openReserve('write').catch(() => undefined)
    this.#held = this.#file !== undefined && this.#file.size >= RESERVE_BYTES
  }

  /** Takes the space. Rejects if the disk has none. */
  async take(): Promise<void> {
    if (this.#held) return
    this.#file ??= await this.#files.openReserve('create')
    try {
      // Random data, so that a compressing file system uses the space too.
      await this.#files.write(this.#file, [Buffer.from(randomHex(RESERVE_BYTES / 2))], 0)
    } catch (error) {
      await this.#files.truncate(this.#file, 0).catch(() => undefined)
      throw error
    }
    this.#held = true
  }

  /** Releases the space. Resolves with false if it was not held. */
  async release(): Promise<boolean> {
    if (!this.#held || this.#file === undefined) return false
    this.#held = false
    await this.#files.truncate(this.#file, 0)
    return true
  }
}
