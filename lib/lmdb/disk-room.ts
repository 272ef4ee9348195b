// Whether the file system has room for a write. LMDB answers a write that finds none with rejections that nobody can
// catch, which would end the process, so it is not asked then.

import { statfsSync } from 'node:fs'

import { IpcError } from '../base/errors.js'

/** Room that is left alone: what LMDB writes besides the value itself. */
const MARGIN_BYTES = 1 << 18
/** With more room than this, and for so long, what we write ourselves is all that is counted. */
const PLENTY_BYTES = 1 << 28
const RECHECK_AFTER_MS = 10

export class DiskRoom {
  readonly #directory: string
  #leftBytes = 0
  #checkedAtMs = -Infinity

  constructor(directory: string) {
    this.#directory = directory
  }

  /** @throws {IpcError} ERR_IPC_BUFFER_FULL when so many bytes would not fit */
  claim(bytes: number): void {
    // Old pages are free only later, so a value may need its size twice.
    const needed = bytes * 2
    const nowMs = performance.now()
    if (this.#leftBytes - needed < PLENTY_BYTES || nowMs - this.#checkedAtMs > RECHECK_AFTER_MS) {
      const { bavail, bsize } = statfsSync(this.#directory)
      this.#leftBytes = bavail * bsize
      this.#checkedAtMs = nowMs
    }
    if (this.#leftBytes < needed + MARGIN_BYTES) {
      throw new IpcError('ERR_IPC_BUFFER_FULL', `the file system of ${this.#directory} is full`)
    }
    this.#leftBytes -= needed
  }
}
