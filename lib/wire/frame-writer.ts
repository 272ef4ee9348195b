// Puts the frames of one connection on the wire: writes each batch with one system call, and tracks whether the kernel
// has taken it. A frame is written whole, or the connection is closed.

import { IpcError } from '../base/errors.js'
import { monotonicMs, queueMicrotask } from '../base/globals.js'
import { sleepSync } from '../base/timing.js'
import { addon } from '../binding/addon.js'
import { systemError } from '../binding/native-error.js'
import type { SOCMessage } from '../message/message.js'
import { tracesSends, traceSend, type TraceSource } from '../observe/tracing.js'
import { Deadline } from './deadline.js'
import { FrameBatch, type OnRefused } from './frame-batch.js'
import { returnSlab } from './slabs.js'
import type { ConnectionSocket } from './socket.js'

/** A remainder up to this size is copied, so that its slab becomes free. A larger one keeps the slab. */
const SMALL_REMAINDER = 1 << 14
const DONE = Promise.resolve()
/** Milliseconds between two attempts of a write without the event loop. */
const SYNC_RETRY_MS = 1

/** The writing half of a socket. */
type WritableSocket = Pick<ConnectionSocket, 'descriptor' | 'destroyed' | 'write' | 'writeNow'>

/** The promise that everything added so far is written, and the functions that settle it. */
interface Outcome {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: IpcError) => void
}

function createOutcome(): Outcome {
  let resolve!: () => void
  let reject!: (error: IpcError) => void
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // Perhaps no caller waits for it, and an unhandled rejection would end the process.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/**
 *     ready <──> blocked      the kernel did not take all of a batch; the socket writes the remainder
 *       └───────────┴──────> failed
 */
type State = 'ready' | 'blocked' | 'failed'

/** Counts of a writer. */
export interface WriterStats {
  /** Messages added. Lines added by {@link FrameWriter.appendLines} are not counted. */
  readonly messages: number
  /** Bytes given to the kernel. */
  readonly bytes: number
  /** Batches in which they were given. */
  readonly batches: number
  /** Whether the kernel accepts no more for now. */
  readonly blocked: boolean
}

/** Writes the frames of one connection. */
export class FrameWriter {
  readonly #socket: WritableSocket
  readonly #closeConnection: (reason: 'send-timeout' | 'peer-closed') => void
  readonly #source: TraceSource
  readonly #batch = new FrameBatch()
  #state: State = 'ready'
  #failure: IpcError | undefined
  /** Whether unwritten bytes were lost when the writer failed. */
  #lost = false
  #outcome: Outcome | undefined
  #timeoutMs = Infinity
  #deadline: Deadline | undefined
  #corked = false
  /** Made when it is first needed: most connections of a server are idle. */
  #uncork: (() => void) | undefined
  #serving = true
  #messages = 0
  #bytes = 0
  #batches = 0
  /** Called in order each time the writer is ready again, and a last time when it has failed. */
  readonly #clients = new Set<() => void>()

  /** @param source is the connection, for traces */
  constructor(
    socket: WritableSocket,
    closeConnection: (reason: 'send-timeout' | 'peer-closed') => void,
    source: TraceSource,
  ) {
    this.#socket = socket
    this.#closeConnection = closeConnection
    this.#source = source
  }

  /** Counts since the connection was opened. */
  get stats(): WriterStats {
    const { blocked } = this
    return { messages: this.#messages, bytes: this.#bytes, batches: this.#batches, blocked }
  }

  /** Whether the kernel accepts no more for now, so that nothing may be added. */
  get blocked(): boolean {
    return this.#state === 'blocked'
  }

  /** Whether something was written in this tick already, so that it pays to wait for more. */
  get corked(): boolean {
    return this.#corked
  }

  /** Whether the batch is large enough to be written. */
  get full(): boolean {
    return this.#batch.full
  }

  /** Why nothing can be written any more; undefined while it can. */
  get failure(): IpcError | undefined {
    return this.#failure
  }

  /** Whether something was added that the kernel does not have. */
  get pending(): boolean {
    return this.#lost || !this.#batch.empty || this.#state === 'blocked'
  }

  /** Whether some frames of the batch must be checked before they are written, and may be refused. */
  get checking(): boolean {
    return this.#batch.checking
  }

  /** Stops calling clients when the writer is ready: the connection is about to close. */
  stopServing(): void {
    this.#serving = false
  }

  /** Calls `onReady` each time the writer is no longer blocked, and when it fails. */
  register(onReady: () => void): void {
    this.#clients.add(onReady)
  }

  unregister(onReady: () => void): void {
    this.#clients.delete(onReady)
  }

  /**
   * Adds a message to the batch. Not to be called while blocked or failed.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; the batch is as it was
   */
  append(message: SOCMessage, onRefused?: OnRefused): void {
    this.#batch.add(message, onRefused)
    ++this.#messages
  }

  /** Adds messages to the batch as {@link FrameBatch.addRun} does. Not to be called while blocked or failed. */
  appendRun(messages: readonly SOCMessage[], from: number, onRefused?: OnRefused): number {
    const next = this.#batch.addRun(messages, from, onRefused)
    this.#messages += next - from
    return next
  }

  /**
   * Adds lines that were checked before. They must not change before the kernel has them or the connection has ended,
   * and nothing may be unchecked in the batch.
   */
  appendLines(lines: Buffer): void {
    this.#batch.addLines(lines)
  }

  /**
   * Resolves when the kernel has everything added so far. Rejects with ERR_IPC_TIMEOUT, and closes the connection, if
   * that takes longer than `timeoutMs`; rejects with ERR_IPC_CLOSED if the connection fails.
   */
  settled(timeoutMs: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (!this.pending) return DONE
    if (timeoutMs < this.#timeoutMs) {
      this.#timeoutMs = timeoutMs
      this.#deadline?.clear()
    }
    if (this.#state === 'blocked') this.#armTimer()
    return (this.#outcome ??= createOutcome()).promise
  }

  /** Flushes when the microtasks of the current tick have run, so that sends until then join the batch. */
  cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#uncork ??= () => {
      this.#corked = false
      try {
        this.flush()
      } catch (error) {
        // As an uncaught exception: an application may merely log a rejection.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    // This costs a third of queueMicrotask, which makes an AsyncResource for each call.
    void DONE.then(this.#uncork)
  }

  /** Writes the batch with one system call. */
  flush(): void {
    if (this.#batch.empty || this.#state !== 'ready') return
    if (this.#socket.destroyed) {
      this.fail(new IpcError('ERR_IPC_CLOSED', 'the connection is closed'))
      return
    }
    const { bytes, begin, end, slab, reportRefused } = this.#batch.take()
    ++this.#batches
    if (tracesSends()) this.#writeTraced(bytes, begin, end, slab)
    else this.#write(bytes, begin, end, slab)
    reportRefused()
  }

  /**
   * Writes everything, without the event loop, and waits for the peer to read where it must: at most until `untilMs` on
   * the monotonic clock. Returns whether the kernel has everything.
   */
  flushSync(untilMs: number): boolean {
    for (;;) {
      this.flush()
      // Clients add more when the writer becomes ready.
      while (this.#state === 'blocked') {
        this.#socket.writeNow()
        if (!this.blocked) break
        if (monotonicMs() >= untilMs) return false
        sleepSync(SYNC_RETRY_MS)
      }
      if (this.#state === 'failed' || this.#batch.empty) return !this.pending
    }
  }

  /** Fails the writer: everything that waits for it rejects with this error. */
  fail(error: IpcError): void {
    if (this.#state === 'failed') return
    this.#lost = this.pending
    this.#state = 'failed'
    this.#failure = error
    this.#batch.clear()
    this.#settle(error)
    for (const client of [...this.#clients]) client()
    this.#clients.clear()
  }

  #writeTraced(bytes: Buffer, begin: number, end: number, slab: Buffer | undefined): void {
    traceSend(this.#source, bytes.subarray(begin, end), () => {
      this.#write(bytes, begin, end, slab)
      return this.settled(Infinity)
    })
  }

  #write(bytes: Buffer, begin: number, end: number, slab: Buffer | undefined): void {
    this.#bytes += end - begin
    const written = end === begin ? 0 : addon.writeBatch(this.#socket.descriptor, bytes, begin, end)
    if (written === end - begin) {
      if (slab !== undefined) returnSlab(slab)
      this.#settle()
    } else if (written < 0) {
      if (slab !== undefined) returnSlab(slab)
      this.#giveUp(peerClosed(systemError(written, 'send')))
    } else {
      this.#handOver(bytes.subarray(begin + written, end), slab)
    }
  }

  /** Lets the socket write what the kernel did not take, as soon as the kernel takes more. */
  #handOver(bytes: Buffer, slab: Buffer | undefined): void {
    this.#state = 'blocked'
    let remainder = bytes
    let held = slab
    if (slab !== undefined && bytes.length <= SMALL_REMAINDER) {
      remainder = Buffer.from(bytes)
      returnSlab(slab)
      held = undefined
    }
    if (this.#outcome !== undefined) this.#armTimer()
    this.#socket.write(remainder, (error) => {
      if (held !== undefined) returnSlab(held)
      // A destroyed socket reports the reason when it closes.
      if (this.#state === 'failed' || this.#socket.destroyed) return
      if (error == null) this.#becomeReady()
      else this.#giveUp(peerClosed(error))
    })
  }

  #becomeReady(): void {
    this.#state = 'ready'
    this.#settle()
    for (const client of [...this.#clients]) {
      if (this.blocked || !this.#serving) break
      // Move it to the end of the set, so that another client is first next time.
      if (this.#clients.delete(client)) this.#clients.add(client)
      client()
    }
  }

  #armTimer(): void {
    if (this.#timeoutMs === Infinity || this.#deadline?.running === true) return
    this.#deadline ??= new Deadline(() => {
      this.#giveUp(
        // Part of a frame may be on the wire. It would corrupt whatever followed, so nothing more is written.
        new IpcError(
          'ERR_IPC_TIMEOUT',
          `the peer did not take a message within ${this.#timeoutMs} ms, and the connection was closed`,
        ),
      )
    })
    this.#deadline.set(this.#timeoutMs)
  }

  #settle(error?: IpcError): void {
    const outcome = this.#outcome
    this.#outcome = undefined
    this.#timeoutMs = Infinity
    this.#deadline?.clear()
    if (error === undefined) outcome?.resolve()
    else outcome?.reject(error)
  }

  #giveUp(error: IpcError): void {
    this.#settle(error)
    this.fail(
      error.code === 'ERR_IPC_CLOSED'
        ? error
        : new IpcError('ERR_IPC_CLOSED', 'the connection was given up', { cause: error }),
    )
    this.#closeConnection(error.code === 'ERR_IPC_CLOSED' ? 'peer-closed' : 'send-timeout')
  }
}

function peerClosed(cause: Error): IpcError {
  return new IpcError('ERR_IPC_CLOSED', 'the peer has closed the connection', { cause })
}
