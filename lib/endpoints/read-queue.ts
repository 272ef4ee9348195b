// The messages and errors that were read from a connection and not yet requested, in order, and the waiting readers,
// served in order of arrival. Must not know connections.

import { offAbort, onAbort } from '../base/abort.js'
import { abortedError, IpcError, rejected } from '../base/errors.js'
import { Fifo } from '../base/fifo.js'
import type { SOCMessage } from '../message/message.js'
import type { RefusedLines } from '../wire/record-decoder.js'

type Entry = ReadRun | RefusedLines | IpcError

export interface ReadRun {
  readonly messages: SOCMessage[]
  /** Number of the first message; 0 if the sender does not number them. */
  readonly first: number
  /** Messages before this index have been handed out or skipped. */
  at: number
}

type Result = IteratorResult<SOCMessage, undefined> | IteratorResult<SOCMessage[], undefined>

/** Resolves a reader's promise; for an error, with a promise that rejects. */
type Answer = (result: Result | Promise<never>) => void

interface Waiter {
  readonly answer: Answer
  /** Whether it waits for one message rather than a run. */
  readonly one: boolean
}

/** The result for a reader at the end of the stream. */
export const END = { value: undefined, done: true } as const

/** The budget of one connection: reading stops when unrequested messages take this much memory. */
const MAX_QUEUED_BYTES = 1 << 19
/** Memory that a message takes besides its line, and that a refused line takes in total. */
const MESSAGE_BYTES = 192
const REFUSED_BYTES = 96
/** Additional memory of each sequence of consecutive refused lines. */
const REFUSED_RUN_BYTES = 416
const ERROR_BYTES = 1024

/** The entries of each queue that never had one, so that an idle connection needs no array of its own. */
const NO_ENTRIES = new Fifo<Entry>()

export class ReadQueue {
  #entries = NO_ENTRIES
  /** Bytes added since the queue was last empty: the messages of a read share memory until the last of them is gone. */
  #bytes = 0
  /** The first waiting reader has a slot of its own: usually there is no other, and an array would take memory. */
  #answer: Answer | undefined
  #wantsOne = false
  #others: Waiter[] | undefined
  #endGiven = false

  /** Whether a reader waits. */
  get any(): boolean {
    return this.#answer !== undefined
  }

  /**
   * Waits for one message, or for a run. When the signal fires, the wait rejects with ERR_IPC_ABORTED, which names the
   * reader, and the next reader gets the messages.
   */
  wait(one: true, signal?: AbortSignal, name?: string): Promise<IteratorResult<SOCMessage, undefined>>
  wait(one: false, signal?: AbortSignal, name?: string): Promise<IteratorResult<SOCMessage[], undefined>>
  wait(one: boolean, signal?: AbortSignal, name = ''): Promise<Result> {
    // The promise's reject function is not kept: thousands of connections may wait, and each function takes memory.
    return new Promise<Result>((answer) => {
      const waiter = signal === undefined ? answer : this.#withdrawable(answer, signal, name)
      if (this.#answer === undefined) {
        this.#answer = waiter
        this.#wantsOne = one
      } else {
        ;(this.#others ??= []).push({ answer: waiter, one })
      }
    })
  }

  #withdrawable(answer: Answer, signal: AbortSignal, name: string): Answer {
    const withdraw = (): void => {
      if (this.#answer === waiter) this.#takeAnswer()
      else this.#others = this.#others?.filter((other) => other.answer !== waiter)
      answer(rejected(abortedError(signal, `next of ${name}`)))
    }
    const waiter: Answer = (result) => {
      offAbort(signal, withdraw)
      answer(result)
    }
    onAbort(signal, withdraw)
    return waiter
  }

  /** Gives the first reader the message, or the run, that it waits for. */
  give(value: SOCMessage | SOCMessage[]): void {
    this.#takeAnswer()?.({ value, done: false })
  }

  giveError(error: IpcError): void {
    this.#takeAnswer()?.(Promise.reject(error))
  }

  giveEnd(): void {
    this.#endGiven = true
    this.#takeAnswer()?.(END)
  }

  /** Whether a reader was given the end, because it requested more after the last message. */
  get endGiven(): boolean {
    return this.#endGiven
  }

  #takeAnswer(): Answer | undefined {
    const answer = this.#answer
    const next = this.#others?.shift()
    this.#answer = next?.answer
    this.#wantsOne = next?.one === true
    return answer
  }

  /** The oldest entry: a run, or the error of a line or of the connection. */
  get first(): ReadRun | IpcError | undefined {
    const entry = this.#entries.first
    return entry === undefined || 'messages' in entry || entry instanceof IpcError ? entry : entry.error
  }

  get empty(): boolean {
    return this.#entries.length === 0
  }

  /** Approximate memory of the entries not yet requested. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether enough waits to be requested, so that reading should stop. */
  get full(): boolean {
    return this.#bytes >= MAX_QUEUED_BYTES
  }

  /** Charges the bytes of lines that were read. */
  charge(bytes: number): void {
    this.#bytes += bytes
  }

  addRun(messages: SOCMessage[], first: number): void {
    this.#bytes += messages.length * MESSAGE_BYTES
    this.#push({ messages, first, at: 0 })
  }

  addRefused(lines: RefusedLines): void {
    this.#bytes += lines.length * REFUSED_BYTES + REFUSED_RUN_BYTES
    this.#push(lines)
  }

  addError(error: IpcError): void {
    this.#bytes += ERROR_BYTES
    this.#push(error)
  }

  #push(entry: Entry): void {
    if (this.#entries === NO_ENTRIES) this.#entries = new Fifo()
    this.#entries.push(entry)
  }

  /** Removes the first entry: a run that was handed out, or an error. */
  shift(): void {
    const entry = this.#entries.first
    if (entry === undefined) return
    if (!('messages' in entry) && !(entry instanceof IpcError)) {
      entry.shift()
      if (entry.length > 0) return
    }
    this.#entries.shift()
    if (this.#entries.length === 0) this.#bytes = 0
  }

  /** Notes that `messages` more messages of the run have been handed out or skipped. */
  advance(run: ReadRun, messages: number): void {
    run.at += messages
  }

  /** Takes one message of a run. The run is removed with its last message. */
  takeOne(run: ReadRun): SOCMessage {
    const message = run.messages[run.at] as SOCMessage
    this.advance(run, 1)
    if (run.at === run.messages.length) this.shift()
    return message
  }

  /** Takes the rest of a run. */
  takeRun(run: ReadRun): SOCMessage[] {
    const rest = run.at === 0 ? run.messages : run.messages.slice(run.at)
    this.shift()
    return rest
  }

  /** Hands queued messages to waiting readers; at the end of the stream, ends the readers that get none. */
  serve(ended: boolean): void {
    while (this.#answer !== undefined) {
      const entry = this.first
      if (entry === undefined) {
        if (!ended) return
        this.giveEnd()
      } else if (entry instanceof IpcError) {
        this.shift()
        this.giveError(entry)
      } else {
        this.give(this.#wantsOne ? this.takeOne(entry) : this.takeRun(entry))
      }
    }
  }
}

/** Returns an iterator over runs. Leaving a loop over it calls `close`. */
export function iterateRuns(
  next: () => Promise<IteratorResult<SOCMessage[], undefined>>,
  close: () => Promise<void>,
): AsyncIterableIterator<SOCMessage[], undefined, undefined> {
  const iterator: AsyncIterableIterator<SOCMessage[], undefined, undefined> = {
    next,
    return: async () => {
      await close()
      return END
    },
    [Symbol.asyncIterator]: () => iterator,
  }
  return iterator
}
