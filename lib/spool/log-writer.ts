// Appends records to the log in groups: one writev for all waiting records, and with durability `fsync` one fdatasync,
// on Node's thread pool. Begins a new segment when one is full. A failed write is undone, and rejects only its own
// records.
//
//   idle ──enqueue──▶ writing ──done, nothing waits──▶ idle
//                      │ │  ▲
//                      │ └──┘ done, more waits: one group after the other
//                      └──a failed write cannot be undone──▶ failed (refuses every record)
//
// Messages are written only while the reserve (reserve.ts) is held. On a full disk, urgent records use its space.

import { IpcError } from '../base/errors.js'
import { queueMicrotask } from '../base/globals.js'
import { isDiskFull, type LogFiles, type Segment } from './log-files.js'
import { RecordKind, writeHeader, type HeaderFields } from './record.js'
import type { Reserve } from './reserve.js'

/** Size at which a group of records is closed. */
const GROUP_BYTES = 8 << 20
const GROUP_RECORDS = 512

/** A record on its way into the log. */
export interface WriteJob {
  /** Makes the record for a segment: its header names it. */
  readonly make: (segment: Segment) => Buffer
  /** Whether the record must be on the disk, if the writer's `sync` is set, before `onWritten` is called. */
  readonly sync: boolean
  /** Whether the record helps to free space, so that it may use the reserve when the disk is full. */
  readonly urgent: boolean
  readonly onWritten: (segment: Segment, offset: number, size: number) => void
  /** `remains`: whether the record may still be in the log, because the failed write could not be undone. */
  readonly onFailed: (error: IpcError, remains: boolean) => void
}

/** Makes a job that writes a record of lines. `value` contains room for the header, then the lines. */
export function linesJob(
  value: Buffer,
  fields: Omit<HeaderFields, 'kind' | 'segment'>,
  outcome: Pick<WriteJob, 'onWritten' | 'onFailed'>,
): WriteJob {
  return {
    sync: true,
    urgent: false,
    make: ({ sequence: segment }) => {
      writeHeader(value, { ...fields, kind: RecordKind.lines, segment })
      return value
    },
    ...outcome,
  }
}

export interface LogWriterOptions {
  readonly files: LogFiles
  readonly reserve: Reserve
  readonly nextSequence: number
  readonly segmentBytes: number
  /** Whether records must be on the disk to be durable. */
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
  /** Whether a start record of this process is on the disk. */
  #synced = false
  #waiting: WriteJob[] = []
  #running: Promise<void> | undefined
  #diskFull = false
  /** Set when a failed write could not be undone. */
  #failure: IpcError | undefined

  constructor(options: LogWriterOptions) {
    this.#options = options
    this.#files = options.files
    this.#nextSequence = options.nextSequence
  }

  /** Whether the disk was full when messages were last written. */
  get diskFull(): boolean {
    return this.#diskFull
  }

  enqueue(job: WriteJob): void {
    this.#waiting.push(job)
    this.#running ??= this.#run()
  }

  /** Makes the next record begin a new segment. */
  seal(): void {
    this.#active = undefined
  }

  /** Resolves when nothing is being written and nothing waits. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    try {
      // Records of the same event loop turn are written together.
      await new Promise<void>((resolve) => {
        queueMicrotask(resolve)
      })
      while (this.#waiting.length > 0) await this.#writeGroup()
    } finally {
      this.#running = undefined
    }
  }

  async #writeGroup(): Promise<void> {
    if (this.#failure !== undefined) {
      for (const { onFailed } of this.#waiting.splice(0)) onFailed(this.#failure, false)
      return
    }
    const jobs: WriteJob[] = []
    try {
      const most = await this.#countAllowed(jobs)
      const full = this.#active !== undefined && this.#active.size >= this.#options.segmentBytes
      if (full) this.#active = undefined
      const segment = this.#active ?? (await this.#begin())
      const { buffers, startBytes } = this.#make(segment, most, jobs)
      await this.#write(segment, buffers, jobs)
      if (jobs.some(({ urgent }) => !urgent)) this.#diskFull = false
      this.#tell(segment, buffers, jobs, startBytes)
    } catch (cause) {
      await this.#fail(jobs.length > 0 ? jobs : this.#waiting.splice(0), cause)
    }
  }

  /**
   * How many of the waiting jobs the next group may hold: without a reserve, only the urgent ones at the front. If
   * there is no room for a reserve, throws and moves the jobs that need one into `jobs`.
   */
  async #countAllowed(jobs: WriteJob[]): Promise<number> {
    const { reserve } = this.#options
    if (reserve.held) return GROUP_RECORDS
    const urgent = countFirst(this.#waiting, (job) => job.urgent)
    if (urgent > 0) return Math.min(urgent, GROUP_RECORDS)
    try {
      await reserve.take()
    } catch (error) {
      // For any other error, the write itself reports it.
      if (!isDiskFull(error)) return GROUP_RECORDS
      const refused = countFirst(this.#waiting, (job) => !job.urgent)
      for (const job of this.#waiting.splice(0, refused)) jobs.push(job)
      throw error
    }
    return GROUP_RECORDS
  }

  /** Moves jobs out of the queue into `jobs`, and makes their records. A job that throws is among them. */
  #make(segment: Segment, most: number, jobs: WriteJob[]): { buffers: Buffer[]; startBytes: number } {
    const buffers: Buffer[] = []
    if (segment.size === 0) buffers.push(this.#options.start(segment))
    const startBytes = buffers[0]?.length ?? 0
    let bytes = startBytes
    const mostBytes = Math.min(GROUP_BYTES, this.#options.segmentBytes - segment.size + startBytes)
    try {
      while (jobs.length < this.#waiting.length && jobs.length < most && bytes < mostBytes) {
        const job = this.#waiting[jobs.length] as WriteJob
        jobs.push(job)
        const value = job.make(segment)
        buffers.push(value)
        bytes += value.length
      }
    } finally {
      this.#waiting = this.#waiting.slice(jobs.length)
    }
    return { buffers, startBytes }
  }

  /** Fails jobs. On a full disk, the urgent ones are tried once more with the space of the reserve. */
  async #fail(jobs: readonly WriteJob[], cause: unknown): Promise<void> {
    if (this.#failure !== undefined) {
      const unknown = maybeKept(this.#files.directory, cause)
      for (const { onFailed } of jobs) onFailed(unknown, true)
      return
    }
    const full = isDiskFull(cause)
    if (full) this.#diskFull = true
    let failed = jobs
    if (full && jobs.some(({ urgent }) => urgent) && (await this.#hasReleased())) {
      failed = jobs.filter(({ urgent }) => !urgent)
      this.#waiting = [...jobs.filter(({ urgent }) => urgent), ...this.#waiting]
    }
    const error = writingError(this.#files.directory, cause)
    for (const { onFailed } of failed) onFailed(error, false)
  }

  #hasReleased(): Promise<boolean> {
    return this.#options.reserve.release().catch(() => false)
  }

  /** The segment that the next group begins. */
  async #begin(): Promise<Segment> {
    this.#begun ??= await this.#files.openSegment(this.#nextSequence++, 'create')
    return this.#begun
  }

  async #write(segment: Segment, buffers: Buffer[], jobs: readonly WriteJob[]): Promise<void> {
    const isNew = segment.size === 0
    // The first segment of each process is always synced: the next process reads from it whether the last numbers may
    // have been lost in a power failure.
    const mustSync = (this.#options.sync && (isNew || jobs.some(({ sync }) => sync))) || !this.#synced
    try {
      await this.#files.write(segment, buffers, segment.size)
    } catch (error) {
      await this.#undo(segment, error)
      throw error
    }
    if (!mustSync) return
    try {
      await this.#files.sync(segment)
      if (isNew) await this.#files.syncNames()
    } catch (error) {
      // The kernel may have dropped the pages that it could not write, and reports that only once.
      await this.#undo(segment, error)
      if (!isNew) this.#active = undefined
      throw error
    }
    this.#synced = true
  }

  /**
   * Removes what a failed write left in its segment. Until that is done (with `sync`: on the disk), the next process
   * may find the records, so they must not be reported as gone.
   */
  async #undo(segment: Segment, cause: unknown): Promise<void> {
    if (await this.#isCutOff(segment)) return
    // Some file systems need space in order to shrink a file.
    if ((await this.#hasReleased()) && (await this.#isCutOff(segment))) return
    this.#failure = new IpcError(
      'ERR_IPC_SYSTEM',
      `the spool in ${this.#files.directory} has failed: a write could be neither finished nor undone. ` +
        'Close it, and open it again once the disk works',
      { reason: 'spool-failed', cause },
    )
  }

  async #isCutOff(segment: Segment): Promise<boolean> {
    try {
      await this.#files.truncate(segment, segment.size)
      if (this.#options.sync) await this.#files.sync(segment)
      return true
    } catch {
      return false
    }
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

/** How many jobs at the front are of one kind. */
function countFirst(jobs: readonly WriteJob[], isKind: (job: WriteJob) => boolean): number {
  const other = jobs.findIndex((job) => !isKind(job))
  return other < 0 ? jobs.length : other
}

function maybeKept(directory: string, cause: unknown): IpcError {
  return new IpcError(
    'ERR_IPC_SYSTEM',
    `the spool in ${directory} has failed, and may have kept these messages all the same: once it is opened again, it holds them or it does not`,
    { reason: 'maybe-kept', cause },
  )
}

function writingError(directory: string, cause: unknown): IpcError {
  if (isDiskFull(cause)) {
    return new IpcError('ERR_IPC_BUFFER_FULL', `the file system of ${directory} is full`, {
      reason: 'disk-full',
      cause,
    })
  }
  return new IpcError('ERR_IPC_SYSTEM', `the spool in ${directory} cannot be written`, { cause })
}
