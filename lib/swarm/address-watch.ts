// Notices when the socket file of a listener was removed or replaced: compares the file at the path with the file that
// the node bound. Must not know how its owner reacts.

import { isError } from '../base/errors.js'
import { lstat } from 'node:fs/promises'

/** Whether the file at the path is the one that was bound. `unknown`: the system could not determine it. */
export type AddressState = 'held' | 'removed' | 'replaced' | 'unknown'

interface FileId {
  readonly device: bigint
  readonly inode: bigint
}

/** Watches one socket file. */
export class AddressWatch {
  readonly path: string
  readonly #bound: FileId

  private constructor(path: string, bound: FileId) {
    this.path = path
    this.#bound = bound
  }

  /**
   * Remembers the file at the path. Returns undefined on systems whose addresses are not files, or if the file is gone
   * already.
   */
  static async begin(path: string): Promise<AddressWatch | undefined> {
    if (process.platform === 'win32') return undefined
    const bound = await fileAt(path).catch(() => undefined)
    return bound === undefined ? undefined : new AddressWatch(path, bound)
  }

  /** Compares the file at the path with the one that was bound. */
  async look(): Promise<AddressState> {
    let there: FileId | undefined
    try {
      there = await fileAt(this.path)
    } catch {
      return 'unknown'
    }
    if (there === undefined) return 'removed'
    const { device, inode } = this.#bound
    return there.device === device && there.inode === inode ? 'held' : 'replaced'
  }
}

/** Returns the device and inode of a file; undefined if it does not exist. */
async function fileAt(path: string): Promise<FileId | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true })
    return { device: dev, inode: ino }
  } catch (error) {
    const code = isError(error) && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
