// Puts the frames of one connection on the wire: gathers those of a batch, writes them with one system call, and
// knows whether the kernel has taken them. A frame goes out whole, or the connection is not used any more.

import { frameBytes, invalidPayload, MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { IpcError } from '../base/errors.js'
import { FrameText } from './batch.js'
import { frameOf, isChecked, type SOCMessage } from '../message/message.js'
import { addon } from '../binding/addon.js'
import { systemError } from '../binding/native-error.js'
import { returnSlab, takeSlab } from './slabs.js'

/** A batch of about this size goes out without waiting for more. */
const BATCH_BYTES = 1 << 16
/** A remainder up to this size is copied, so that the slab is free again; a larger one takes the slab along. */
const SMALL_REMAINDER = 1 << 14
const DONE = Promise.resolve()

/** Told of a message that turned out not to be JSON; the rest of the batch goes out without it. */
export type OnRefused = (error: IpcError, message: SOCMessage) => void

/** Messages that nobody has checked yet: those of [begin, end). */
interface UncheckedRun {
  readonly messages: readonly SOCMessage[]
  readonly begin: number
  readonly end: number
  readonly onRefused: OnRefused | undefined
}

/** What is written to. */
export interface WritableSocket {
  readonly descriptor: number
  readonly destroyed: boolean
  /** Writes what the kernel did not take, as soon as it does. */
  write(bytes: Buffer, done: (error?: Error | null) => void): void
}

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
  // Whoever waits gets it from `promise`; nobody may be waiting.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

/** Writes the frames of one connection. */
export class FrameWriter {
  readonly #socket: WritableSocket
  readonly #closeConnection: (reason: 'send-timeout' | 'peer-closed') => void
  /** What the batch begins with: frames known to be valid. */
  #checked = new FrameText()
  /** What it goes on with: everything from the first frame on that nobody has checked yet. */
  #unchecked = new FrameText()
  /** Its messages, should the check fail, and whom to tell. */
  #uncheckedRuns: UncheckedRun[] = []
  /** UTF-16 units and bytes in the batch: how full it is, roughly. */
  #size = 0
  #outcome: Outcome | undefined
  #timeoutMs = Infinity
  #timer: NodeJS.Timeout | undefined
  /** The kernel did not take all of the last batch; the remainder is with the socket. */
  #blocked = false
  #corked = false
  #stopped = false
  #failure: IpcError | undefined
  /** Called, in order, each time that the writer is ready again. Once it has failed, called a last time. */
  readonly #clients = new Set<() => void>()

  constructor(socket: WritableSocket, closeConnection: (reason: 'send-timeout' | 'peer-closed') => void) {
    this.#socket = socket
    this.#closeConnection = closeConnection
  }

  /** The kernel takes no more for now: nothing may be added. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Something was written in this tick already, so more is worth waiting for. */
  get corked(): boolean {
    return this.#corked
  }

  /** The batch is large enough to go. */
  get full(): boolean {
    return this.#size >= BATCH_BYTES
  }

  /** Why nothing can be written any more. */
  get failure(): IpcError | undefined {
    return this.#failure
  }

  /** Something was added that the kernel does not have. */
  get pending(): boolean {
    return this.#size > 0 || this.#blocked
  }

  /** The batch is checked before it is written, and its frames may be refused. */
  get checking(): boolean {
    return this.#uncheckedRuns.length > 0
  }

  /** Calls no client any more when it is ready: the connection is about to close. */
  stopServing(): void {
    this.#stopped = true
  }

  /** Has `onReady` called whenever the writer was blocked and is not any more, and when it fails. */
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
    if (this.#uncheckedRuns.length === 0 && isChecked(message)) this.#size += this.#checked.add(message)
    else this.appendRun([message], 0, onRefused)
  }

  /**
   * Adds messages to the batch from an index on, until it is full; answers the index of the first one that was not added.
   * The array must stay as it is until the batch is written. Not to be called while blocked or failed.
   *
   * @throws {IpcError} ERR_IPC_MESSAGE_TOO_LARGE; those before the message that is too large are added
   */
  appendRun(messages: readonly SOCMessage[], from: number, onRefused?: OnRefused): number {
    let next = from
    const { length } = messages
    if (this.#uncheckedRuns.length === 0) {
      const checked = this.#checked
      while (next < length && this.#size < BATCH_BYTES && isChecked(messages[next] as SOCMessage)) {
        this.#size += checked.add(messages[next++] as SOCMessage)
      }
    }
    const begin = next
    const unchecked = this.#unchecked
    try {
      while (next < length && this.#size < BATCH_BYTES) {
        this.#size += unchecked.add(messages[next] as SOCMessage)
        ++next
      }
    } finally {
      if (next > begin) this.#uncheckedRuns.push({ messages, begin, end: next, onRefused })
    }
    return next
  }

  /**
   * Adds lines that were checked before. They must not change before the kernel has them or the connection has ended, and
   * nothing may be unchecked in the batch.
   */
  appendLines(lines: Buffer): void {
    if (this.checking) throw new TypeError('lines that were checked cannot follow what was not')
    this.#size += this.#checked.addLines(lines)
  }

  /**
   * Resolves when the kernel has all that was added so far. Rejects with ERR_IPC_TIMEOUT, and gives the connection up,
   * when that takes longer than `timeoutMs`; with ERR_IPC_CLOSED when the connection fails.
   */
  settled(timeoutMs: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#size === 0 && !this.#blocked) return DONE
    if (timeoutMs < this.#timeoutMs) {
      this.#timeoutMs = timeoutMs
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    if (this.#blocked) this.#armTimer()
    return (this.#outcome ??= createOutcome()).promise
  }

  /** Flushes when the current tick's microtasks have run, and lets sends until then join the batch. */
  cork(): void {
    if (this.#corked) return
    this.#corked = true
    queueMicrotask(() => {
      this.#corked = false
      this.flush()
    })
  }

  /** Writes the batch with one system call. */
  flush(): void {
    if (this.#size === 0 || this.#blocked || this.#failure !== undefined) return
    if (this.#socket.destroyed) {
      this.fail(new IpcError('ERR_IPC_CLOSED', 'the connection is closed'))
      return
    }
    const { checking } = this
    const bytesBound = this.#checked.complete() + (checking ? this.#unchecked.complete() : 0)
    const run = checking ? undefined : this.#checked.soleRun
    if (run !== undefined) {
      // What is only passed on is written from where it was read to.
      this.#clear()
      this.#write(run.bytes, run.start, run.end, undefined)
      return
    }
    const slab = takeSlab(bytesBound)
    let end = this.#checked.encode(slab, 0)
    const refusals: (() => void)[] = []
    if (checking) end = this.#encodeUnchecked(slab, end, refusals)
    this.#clear()
    this.#write(slab, 0, end, slab)
    // Last of all, as it runs code of others, who may send.
    for (const tell of refusals) tell()
  }

  /** Gives up: whatever waits is rejected with this error. */
  fail(error: IpcError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#clear()
    this.#settle(error)
    for (const client of [...this.#clients]) client()
    this.#clients.clear()
  }

  #clear(): void {
    this.#checked.clear()
    this.#size = 0
    if (this.#uncheckedRuns.length === 0) return
    this.#unchecked.clear()
    this.#uncheckedRuns = []
  }

  /** Writes the unchecked frames at `begin`, without those that are not one valid message each. */
  #encodeUnchecked(slab: Buffer, begin: number, refusals: (() => void)[]): number {
    const runs = this.#uncheckedRuns
    const end = this.#unchecked.encode(slab, begin)
    const count = runs.reduce((sum, run) => sum + run.end - run.begin, 0)
    if (addon.checkFrames(slab, begin, end, MAX_MESSAGE_BYTES) === count) return end

    let good = begin
    for (const { messages, begin: first, end: last, onRefused } of runs) {
      for (const message of messages.slice(first, last)) {
        const bytes = frameBytes(frameOf(message))
        if (addon.checkFrames(bytes, 0, bytes.length, MAX_MESSAGE_BYTES) === 1) good += bytes.copy(slab, good)
        else if (onRefused !== undefined) {
          refusals.push(() => {
            onRefused(invalidPayload(), message)
          })
        }
      }
    }
    return good
  }

  /** `slab` is the memory to give back, if the bytes stand in some. */
  #write(bytes: Buffer, begin: number, end: number, slab: Buffer | undefined): void {
    const written = end === begin ? 0 : addon.writeBatch(this.#socket.descriptor, bytes, begin, end)
    if (written === end - begin) {
      if (slab !== undefined) returnSlab(slab)
      this.#settle()
    } else if (written < 0) {
      if (slab !== undefined) returnSlab(slab)
      this.#giveUp(
        new IpcError('ERR_IPC_CLOSED', 'the peer has closed the connection', {
          cause: systemError(written, 'send'),
        }),
      )
    } else {
      this.#handOver(bytes.subarray(begin + written, end), slab)
    }
  }

  /** Lets the socket write what the kernel did not take, as soon as it does. */
  #handOver(bytes: Buffer, slab: Buffer | undefined): void {
    this.#blocked = true
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
      // A socket that is destroyed tells why when it closes.
      if (this.#failure !== undefined || this.#socket.destroyed) return
      if (error != null) {
        this.#giveUp(new IpcError('ERR_IPC_CLOSED', 'the peer has closed the connection', { cause: error }))
        return
      }
      this.#blocked = false
      this.#settle()
      for (const client of [...this.#clients]) {
        if (this.#blocked || this.#stopped) break
        // To the end of the queue, so that next time it is another one's turn.
        if (this.#clients.delete(client)) this.#clients.add(client)
        client()
      }
    })
  }

  #armTimer(): void {
    if (this.#timeoutMs === Infinity || this.#timer !== undefined) return
    const timeoutMs = this.#timeoutMs
    this.#timer = setTimeout(() => {
      this.#giveUp(
        // Part of a frame may be on the wire. To go on after it would tear it, so nothing is written any more.
        new IpcError(
          'ERR_IPC_TIMEOUT',
          `the peer did not take a message within ${timeoutMs} ms, and the connection was given up`,
        ),
      )
    }, timeoutMs)
  }

  #settle(error?: IpcError): void {
    const outcome = this.#outcome
    this.#outcome = undefined
    this.#timeoutMs = Infinity
    clearTimeout(this.#timer)
    this.#timer = undefined
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
