// Hands out numbered messages once each and tells the sender how far the application is done with them. What outlives a
// connection is in the ledger; what is said on the wire is in control.ts; when it is said, in acknowledger.ts.

import type { Connection } from '../connection.js'
import { hasCode, IpcError } from '../errors.js'
import type { SOCMessage } from '../message.js'
import { Receiver } from '../receiver.js'
import { Acknowledger } from './acknowledger.js'
import { isControl, parsePosition, violation } from './control.js'
import { DeliveryLedger, type Hold, type Position, type Session } from './ledger.js'
import type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './receiver-options.js'

interface Run {
  readonly messages: SOCMessage[]
  /** Number of the first message; 0: the sender does not number them. */
  readonly first: number
  at: number
}

interface Waiter {
  readonly one: boolean
  readonly resolve: (
    result: IteratorResult<SOCMessage, undefined> | IteratorResult<SOCMessage[], undefined>,
  ) => void
  readonly reject: (error: IpcError) => void
}

const END = { value: undefined, done: true } as const
/** Reading stops when so many messages wait to be asked for. */
const MAX_QUEUED = 1024

/**
 * Receives what an `AcknowledgedSender` sends: each message once, in order, across reconnects of the sender. A sender
 * that does not number its messages (`Sender`, Go) is read as with `Receiver`.
 */
export class AcknowledgingReceiver implements AsyncIterableIterator<SOCMessage, undefined, undefined> {
  /** What this receiver is called in errors. */
  readonly name: string
  readonly #connection: Connection
  readonly #inner: Receiver
  readonly #ledger: DeliveryLedger
  readonly #autoAck: boolean
  readonly #maxUnacknowledged: number
  readonly #acknowledger: Acknowledger
  #session: Session | undefined
  /** The sender spoke without saying where it is. */
  #plain = false
  /** Number of the next message on the wire. */
  #expected = 0
  #queue: (Run | IpcError)[] = []
  #queued = 0
  #waiters: Waiter[] = []
  /** What the application has in hand: with autoAck one range, else a range for each message. */
  #held: Hold | undefined
  readonly #inHand = new Map<SOCMessage, Hold>()
  #last = 0
  #waitingForOthers = false
  #wakeReader: (() => void) | undefined
  #ended = false
  #received = 0
  #delivered = 0
  #duplicates = 0
  #superseded = 0
  #gaps = 0
  #lost = 0
  readonly #reader = {
    onFenced: (): void => {
      this.#stop()
      this.#connection.destroy()
    },
    onProgress: (): void => {
      this.#acknowledger.onProgress()
    },
  }

  /** @throws TypeError when the connection has a receiver already; RangeError for a limit that makes no sense */
  constructor(connection: Connection, name: string, options: AcknowledgingReceiverOptions = {}) {
    this.name = name
    this.#connection = connection
    this.#ledger = options.ledger ?? new DeliveryLedger()
    this.#autoAck = options.autoAck ?? true
    this.#maxUnacknowledged = options.maxUnacknowledged ?? 65_536
    if (!(this.#maxUnacknowledged >= 1)) throw new RangeError('maxUnacknowledged must be 1 or more')
    this.#acknowledger = new Acknowledger(connection, options, {
      bytesRead: () => this.#inner.stats.bytes,
      isReading: () => this.#wakeReader === undefined,
      onSilent: (error) => {
        this.#fail(error)
      },
    })
    const { onInvalid, maxMessageBytes, maxInvalid } = options
    this.#inner = new Receiver(connection, name, {
      ...(onInvalid !== undefined && { onInvalid }),
      ...(maxMessageBytes !== undefined && { maxMessageBytes }),
      ...(maxInvalid !== undefined && { maxInvalid }),
    })
    void this.#read()
  }

  /** The connection that this receiver reads from. */
  get connection(): Connection {
    return this.#connection
  }

  get stats(): AcknowledgingReceiverStats {
    return {
      received: this.#received,
      delivered: this.#delivered,
      duplicates: this.#duplicates,
      superseded: this.#superseded,
      gaps: this.#gaps,
      lost: this.#lost,
      acknowledgements: this.#acknowledger.written,
      invalid: this.#inner.stats.invalid,
    }
  }

  /**
   * Where the message that was handed out last stands (of a run: its last message). To be stored together with the effects
   * of the message, and given to {@link DeliveryLedger.resumeFrom} by the next process. Undefined before the first
   * message, and for a sender that does not number them.
   */
  get position(): Position | undefined {
    const session = this.#session
    if (session === undefined || this.#last === 0) return undefined
    return { uid: session.uid, session: session.id, sequence: this.#last }
  }

  /**
   * The next message that was not handed out before; `done` when the connection has ended. With `autoAck`, the one before
   * is done with now.
   *
   * @throws {IpcError} as `Receiver.next`, and once ERR_IPC_TIMEOUT when the sender fell silent, ERR_IPC_INVALID_MESSAGE
   *   (reason `bad-position` …) when it does not keep to the protocol; both close the connection, and then it is `done`
   */
  next(): Promise<IteratorResult<SOCMessage, undefined>> {
    return this.#wait(true) as Promise<IteratorResult<SOCMessage, undefined>>
  }

  /** Messages in runs, the fastest way to take many. With `autoAck`, asking for the next run says that one is done with. */
  batches(): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
    const iterator: AsyncIterableIterator<SOCMessage[], undefined, undefined> = {
      next: () => this.#wait(false) as Promise<IteratorResult<SOCMessage[], undefined>>,
      return: async () => {
        await this.close()
        return END
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /**
   * With `autoAck: false`: the application is done with these messages. The sender hears of it when it is done with all
   * that came before them too. May be called after the connection has ended. Messages that are not in hand are ignored.
   */
  acknowledge(messages: SOCMessage | readonly SOCMessage[]): void {
    for (const message of Array.isArray(messages) ? (messages as SOCMessage[]) : [messages as SOCMessage]) {
      const hold = this.#inHand.get(message)
      if (hold === undefined) continue
      this.#inHand.delete(message)
      this.#session?.finish(hold)
    }
    this.#serve()
  }

  /**
   * Ends an iteration: as {@link close}. A loop that is left in the middle has not finished its message: it is sent and
   * handed out again.
   */
  async return(): Promise<IteratorResult<SOCMessage, undefined>> {
    await this.close()
    return END
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Acknowledges what is done with, gives back what is not, and closes the connection. */
  async close(): Promise<void> {
    this.#stop()
    this.#held = undefined
    this.#inHand.clear()
    this.#session?.giveBack(this)
    try {
      await this.#connection.close()
    } catch (error) {
      if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #wait(one: boolean): Promise<unknown> {
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      this.#session?.finish(held)
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ one, resolve, reject })
      this.#serve()
    })
  }

  /** Reads ahead, so that what the sender says between messages is heard while the application is busy. */
  async #read(): Promise<void> {
    const batches = this.#inner.batches()
    while (!this.#ended) {
      try {
        const { value: run, done } = await batches.next()
        if (done === true) break
        if (!this.#ended) this.#sort(run)
      } catch (error) {
        if (hasCode(error, 'ERR_IPC_INVALID_MESSAGE') && error.offset === undefined) this.#fail(error)
        // A sender that was killed leaves half a line; the next connection brings all of it.
        else if (
          this.#session === undefined ||
          !hasCode(error, 'ERR_IPC_INVALID_MESSAGE') ||
          error.reason !== 'truncated'
        )
          this.#enqueue(error as IpcError)
      }
      while (this.#queued >= MAX_QUEUED && !this.#ended) {
        await new Promise<void>((resolve) => (this.#wakeReader = resolve))
        this.#wakeReader = undefined
      }
    }
    this.#end()
  }

  /** Parts messages of the application from those of the sender's delivery. */
  #sort(run: SOCMessage[]): void {
    let begin = 0
    for (let i = 0; i < run.length; ++i) {
      const message = run[i] as SOCMessage
      if (!isControl(message)) continue
      this.#enqueueRun(run.slice(begin, i))
      this.#onControl(message)
      begin = i + 1
    }
    this.#enqueueRun(begin === 0 ? run : run.slice(begin))
  }

  #onControl(message: SOCMessage): void {
    const { session: id, next, heartbeatMs } = parsePosition(message)
    if (this.#session !== undefined) {
      if (id !== this.#session.id) throw violation('other-session', 'another session on the same connection')
      if (next < this.#expected) throw violation('backwards', 'a position before the one it is at')
    } else {
      if (this.#plain) throw violation('late-position', 'messages before its position')
      const session = this.#ledger.open(this.#connection.peer.uid, id, next)
      this.#session = session
      session.attach(this.#reader)
      this.#noteGap(session.skipTo(next))
      this.#acknowledger.start(session, heartbeatMs)
    }
    this.#expected = next
  }

  #enqueueRun(messages: SOCMessage[]): void {
    if (messages.length === 0) return
    this.#received += messages.length
    let first = 0
    if (this.#session === undefined) this.#plain = true
    else {
      first = this.#expected
      this.#expected += messages.length
      if (!Number.isSafeInteger(this.#expected)) throw violation('bad-position', 'more messages than can be')
    }
    this.#queued += messages.length
    this.#enqueue({ messages, first, at: 0 })
  }

  #enqueue(entry: Run | IpcError): void {
    this.#queue.push(entry)
    this.#serve()
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const [entry] = this.#queue
      if (entry === undefined) {
        if (!this.#ended) break
        this.#session?.detach(this.#reader)
        this.#waiters.shift()?.resolve(END)
      } else if (entry instanceof IpcError) {
        this.#queue.shift()
        this.#waiters.shift()?.reject(entry)
      } else {
        if (!this.#mayHandOut()) break
        if (this.#prepare(entry)) this.#handOut(entry, this.#waiters.shift() as Waiter)
        if (entry.at === entry.messages.length) this.#queue.shift()
      }
    }
    if (this.#queued < MAX_QUEUED) this.#wakeReader?.()
  }

  #mayHandOut(): boolean {
    if (!this.#autoAck) return this.#inHand.size < this.#maxUnacknowledged
    if (this.#session === undefined) return true
    if (this.#waitingForOthers) return false
    if (!this.#session.heldByOthers(this)) return true
    // An earlier connection of this session has brought a message that the application is still busy with.
    this.#waitingForOthers = true
    void this.#session.free(this).then(() => {
      this.#waitingForOthers = false
      this.#serve()
    })
    return false
  }

  /** Passes over what is known; answers whether anything is left. */
  #prepare(run: Run): boolean {
    const session = this.#session
    const before = run.at
    if (session !== undefined && run.first !== 0) {
      while (run.at < run.messages.length && session.isKnown(run.first + run.at)) {
        session.pass(run.first + run.at++)
      }
      const passed = run.at - before
      if (passed > 0) {
        this.#queued -= passed
        this.#duplicates += passed
        this.#acknowledger.onProgress()
      }
      if (run.at < run.messages.length) this.#noteGap(session.skipTo(run.first + run.at))
    }
    return run.at < run.messages.length
  }

  #handOut(run: Run, waiter: Waiter): void {
    const begin = run.at
    let end = waiter.one ? begin + 1 : run.messages.length
    const session = this.#session
    if (session !== undefined && run.first !== 0) {
      if (session.patchy) end = begin + 1
      this.#last = run.first + end - 1
      if (this.#autoAck) {
        this.#held = { owner: this, first: run.first + begin, last: this.#last, done: false }
        session.handOut(this.#held)
      } else {
        for (let i = begin; i < end; ++i) {
          const hold = { owner: this, first: run.first + i, last: run.first + i, done: false }
          session.handOut(hold)
          this.#inHand.set(run.messages[i] as SOCMessage, hold)
        }
      }
    }
    run.at = end
    this.#queued -= end - begin
    this.#delivered += end - begin
    if (waiter.one) waiter.resolve({ value: run.messages[begin] as SOCMessage, done: false })
    else if (end - begin === run.messages.length) waiter.resolve({ value: run.messages, done: false })
    else waiter.resolve({ value: run.messages.slice(begin, end), done: false })
  }

  #noteGap(messages: number): void {
    if (messages === 0) return
    ++this.#gaps
    this.#lost += messages
    this.#acknowledger.onProgress()
  }

  #fail(error: IpcError): void {
    if (this.#ended) return
    // What was read before is good; the error comes after it.
    this.#queue.push(error)
    this.#connection.destroy()
    this.#end()
  }

  /** Nothing of what was read is handed out any more. */
  #stop(): void {
    this.#superseded += this.#queued
    this.#queue = this.#queue.filter((entry) => entry instanceof IpcError)
    this.#queued = 0
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#acknowledger.stop()
    // While something is left to hand out, the next connection must be able to stop that.
    if (this.#queue.length === 0) this.#session?.detach(this.#reader)
    this.#wakeReader?.()
    this.#serve()
  }
}
