// Appends records to the log in groups: one writev for all waiting records, and with durability `fsync` one fdatasync,
// on Node's thread pool. Begins a new segment when one is full. A failed write rejects its own records and changes
// nothing else.
//
//   idle ──enqueue──▶ writing ──done, nothing waits──▶ idle
//                      │  ▲
//                      └──┘ done, more waits: one group after the other

import { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import { syncFile, type LogFiles, type Segment } from './log-files.js'

/** A group of records is closed at this size. */
const GROUP_BYTES = 8 << 20
const GROUP_RECORDS = 512

/** A record on its way into the log. */
export interface WriteJob {
  /** Makes the record for a segment: its header names it. */
  readonly make: (segment: Segment) => Buffer
  /** It must be on the disk, where `sync` asks for that, before `onWritten` is called. */
  readonly sync: boolean
  readonly onWritten: (segment: Segment, offset: number, size: number) => void
  readonly onFailed: (error: IpcError) => void
}

export interface LogWriterOptions {
  readonly files: LogFiles
  readonly nextSequence: number
  readonly segmentBytes: number
  /** Whether durable means on the disk. */
  readonly sync: boolean
  /** The first record of a new segment: the state of the spool. */
  readonly start: (segment: Segment) => Buffer
  /** Called when a new segment has become the one that is written to. */
  readonly onSegment: (segment: Segment) => void
}

export class LogWriter {
  readonly #options: LogWriterOptions
  readonly #files: LogFiles
  #nextSequence: number
  /** The segment that is written to. Undefined: the next group begins one. */
  #active: Segment | undefined
  /** A new segment whose first write failed. */
  #begun: Segment | undefined
  /** The state of this process has been on the disk once. */
  #synced = false
  #waiting: WriteJob[] = []
  #running: Promise<void> | undefined

  constructor(options: LogWriterOptions) {
    this.#options = options
    this.#files = options.files
    this.#nextSequence = options.nextSequence
  }

  get active(): Segment | undefined {
    return this.#active
  }

  enqueue(job: WriteJob): void {
    this.#waiting.push(job)
    this.#running ??= this.#run()
  }

  /** The next record begins a new segment. */
  seal(): void {
    this.#active = undefined
  }

  /** Resolves when nothing is being written and nothing waits. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // Records of the same event loop turn are written together.
    await new Promise<void>((resolve) => {
      queueMicrotask(resolve)
    })
    while (this.#waiting.length > 0) await this.#writeGroup()
    this.#running = undefined
  }

  async #writeGroup(): Promise<void> {
    const jobs: WriteJob[] = []
    const buffers: Buffer[] = []
    try {
      const full = this.#active !== undefined && this.#active.size >= this.#options.segmentBytes
      if (full) this.#active = undefined
      const segment = this.#active ?? (await this.#begin())
      let bytes = 0
      if (segment.size === 0) {
        const start = this.#options.start(segment)
        buffers.push(start)
        bytes = start.length
      }
      const startBytes = bytes
      const most = Math.min(GROUP_BYTES, this.#options.segmentBytes - segment.size + startBytes)
      let taken = 0
      for (; taken < this.#waiting.length && taken < GROUP_RECORDS && bytes < most; ++taken) {
        const job = this.#waiting[taken] as WriteJob
        jobs.push(job)
        const value = job.make(segment)
        buffers.push(value)
        bytes += value.length
      }
      this.#waiting = this.#waiting.slice(taken)
      await this.#write(segment, buffers, jobs)
      this.#tell(segment, buffers, jobs, startBytes)
    } catch (cause) {
      if (jobs.length === 0) jobs.push(...this.#waiting.splice(0))
      const error = writingError(this.#files.directory, cause)
      for (const { onFailed } of jobs) onFailed(error)
    }
  }

  /** The segment that the next group begins. */
  async #begin(): Promise<Segment> {
    this.#begun ??= await this.#files.openSegment(this.#nextSequence++, 'create')
    return this.#begun
  }

  async #write(segment: Segment, buffers: Buffer[], jobs: readonly WriteJob[]): Promise<void> {
    const isNew = segment.size === 0
    // The first segment of each process is always on the disk first: the next process must learn from it whether the
    // last numbers may have been lost with the power.
    const mustSync = (this.#options.sync && (isNew || jobs.some(({ sync }) => sync))) || !this.#synced
    try {
      await this.#files.write(segment, buffers, segment.size)
    } catch (error) {
      await this.#files.truncate(segment, segment.size).catch(() => undefined)
      throw error
    }
    if (!mustSync) return
    try {
      await syncFile(segment.descriptor)
      if (isNew) await this.#files.syncNames()
    } catch (error) {
      // The kernel may have dropped the pages that it could not write, and reports that only once.
      await this.#files.truncate(segment, segment.size).catch(() => undefined)
      if (!isNew) this.#active = undefined
      throw error
    }
    this.#synced = true
  }

  #tell(segment: Segment, buffers: readonly Buffer[], jobs: readonly WriteJob[], startBytes: number): void {
    const isNew = segment.size === 0
    let offset = isNew ? startBytes : segment.size
    const values = isNew ? buffers.slice(1) : buffers
    segment.size = offset + values.reduce((sum, { length }) => sum + length, 0)
    if (isNew) {
      this.#begun = undefined
      this.#active = segment
      this.#options.onSegment(segment)
    }
    for (const [index, { onWritten }] of jobs.entries()) {
      const { length } = values[index] as Buffer
      onWritten(segment, offset, length)
      offset += length
    }
  }
}

function writingError(directory: string, cause: unknown): IpcError {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new IpcError('ERR_IPC_BUFFER_FULL', `the file system of ${directory} is full`, {
      reason: 'disk-full',
      cause,
    })
  }
  return new IpcError('ERR_IPC_SYSTEM', `the spool in ${directory} cannot be written`, { cause })
}
