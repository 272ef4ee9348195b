// The files of a log: its segments, in a directory that only this user can enter.

import { fdatasync, fstat, ftruncate, read, writev } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

import { IpcError, isError } from '../base/errors.js'
import { fromNative, toSystemError } from '../binding/native-error.js'
import { PrivateDirectory } from '../binding/private-directory.js'

const LOCK = 'lock'
const RESERVE = 'reserve'
const SEGMENT = /^(\d{16})\.log$/

const statFile = promisify(fstat)
const truncateFile = promisify(ftruncate)
const writeFile = promisify(writev)
const syncFile = promisify(fdatasync)
const readFile = promisify(read)

/** One file of the log. */
export interface Segment {
  readonly sequence: number
  readonly name: string
  readonly descriptor: number
  /** Bytes of it that hold records. */
  size: number
  /** Records in it that are not settled as a whole, and their bytes. */
  records: number
  liveBytes: number
}

export class LogFiles {
  readonly directory: string
  readonly #files: PrivateDirectory

  private constructor(files: PrivateDirectory) {
    this.directory = files.path
    this.#files = files
  }

  /**
   * Opens a directory, and claims it unless `access` is `read`.
   *
   * @throws {IpcError} ERR_IPC_UNSAFE_PATH, ERR_IPC_ADDRESS_IN_USE (reason `spool-in-use`), ERR_IPC_SYSTEM
   */
  static async open(directory: string, access: 'claim' | 'read'): Promise<LogFiles> {
    try {
      const options = access === 'claim' ? { create: true, lockName: LOCK } : {}
      return new LogFiles(await PrivateDirectory.open(directory, options))
    } catch (error) {
      throw openingError(error, resolve(directory))
    }
  }

  /** Names and numbers of the segments, oldest first. */
  async list(): Promise<{ name: string; sequence: number }[]> {
    const names = await this.#files.list()
    return names
      .flatMap((name) => {
        const digits = SEGMENT.exec(name)?.[1]
        return digits === undefined ? [] : [{ name, sequence: Number(digits) }]
      })
      .sort((one, other) => one.sequence - other.sequence)
  }

  openSegment(sequence: number, access: 'read' | 'write' | 'create'): Promise<Segment> {
    return this.#open(`${String(sequence).padStart(16, '0')}.log`, sequence, access)
  }

  /** Opens the file that takes up space in advance; see reserve.ts. */
  openReserve(access: 'write' | 'create'): Promise<Segment> {
    return this.#open(RESERVE, 0, access)
  }

  async #open(name: string, sequence: number, access: 'read' | 'write' | 'create'): Promise<Segment> {
    try {
      const descriptor = await this.#files.openFile(name, access)
      const { size } = await statFile(descriptor)
      return { sequence, name, descriptor, size, records: 0, liveBytes: 0 }
    } catch (error) {
      throw openingError(error, this.directory)
    }
  }

  async truncate({ descriptor }: Segment, size: number): Promise<void> {
    await truncateFile(descriptor, size)
  }

  /** Resolves when the content and the size of a segment are on the disk. */
  async sync({ descriptor }: Segment): Promise<void> {
    await syncFile(descriptor)
  }

  /** Writes buffers one after the other at a position. */
  async write({ descriptor }: Segment, buffers: readonly Buffer[], position: number): Promise<void> {
    let rest = buffers as Buffer[]
    for (let at = position; ;) {
      const { bytesWritten } = await writeFile(descriptor, rest, at)
      at += bytesWritten
      rest = withoutFirst(rest, bytesWritten)
      if (rest.length === 0) return
    }
  }

  /** Reads up to `size` bytes, fewer only at the end of the file. */
  async read({ descriptor }: Segment, position: number, size: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(size)
    let filled = 0
    while (filled < size) {
      const { bytesRead } = await readFile(descriptor, bytes, filled, size - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }

  /** Closes and deletes a segment. */
  async remove({ descriptor, name }: Segment): Promise<void> {
    this.#files.closeFile(descriptor)
    await this.#files.removeFile(name)
  }

  /** Resolves when new segments survive a loss of power. */
  syncNames(): Promise<void> {
    return this.#files.sync()
  }

  /** Closes everything and ends the claim. */
  close(): void {
    this.#files.close()
  }
}

/** Whether an operation failed because the file system, or the user's share of it, is full. */
export function isDiskFull(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT' || (isError(cause) && isDiskFull(cause))
}

function withoutFirst(buffers: Buffer[], bytes: number): Buffer[] {
  let left = bytes
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(index + 1)]
    left -= buffer.length
  }
  return []
}

function openingError(error: unknown, directory: string): IpcError {
  const known = fromNative(error)
  if (known instanceof IpcError && known.code === 'ERR_IPC_ADDRESS_IN_USE') {
    return new IpcError(
      'ERR_IPC_ADDRESS_IN_USE',
      `the spool in ${directory} is already open, in this process or another one; close it there first`,
      { reason: 'spool-in-use', cause: known.cause },
    )
  }
  if (known instanceof IpcError && known.code !== 'ERR_IPC_SYSTEM') return known
  return new IpcError('ERR_IPC_SYSTEM', `the spool in ${directory} cannot be opened`, {
    cause: toSystemError(error),
  })
}
