// Those who wait for messages, for one or for a run: first come, first served. Must not know where messages come from.

import type { IpcError } from '../base/errors.js'
import type { SOCMessage } from '../message/message.js'

type Result = IteratorResult<SOCMessage, undefined> | IteratorResult<SOCMessage[], undefined>

/** Answers somebody who waits; with a promise that rejects, where it is an error. */
type Answer = (result: Result | Promise<never>) => void

/** What a reader gets at the end. */
export const END = { value: undefined, done: true } as const

export class WaitingReaders {
  #waiting: { readonly answer: Answer; readonly one: boolean }[] = []

  get any(): boolean {
    return this.#waiting.length > 0
  }

  /** The first of them wants one message, not a run. */
  get wantsOne(): boolean {
    return this.#waiting[0]?.one === true
  }

  /** Waits for one message, or else for a run. */
  wait(one: true): Promise<IteratorResult<SOCMessage, undefined>>
  wait(one: false): Promise<IteratorResult<SOCMessage[], undefined>>
  wait(one: boolean): Promise<Result> {
    return new Promise<Result>((answer) => this.#waiting.push({ answer, one }))
  }

  /** Gives the first one a message, or a run, as it wanted. */
  give(value: SOCMessage | SOCMessage[]): void {
    this.#waiting.shift()?.answer({ value, done: false })
  }

  giveError(error: IpcError): void {
    this.#waiting.shift()?.answer(Promise.reject(error))
  }

  giveEnd(): void {
    this.#waiting.shift()?.answer(END)
  }
}

/** Runs as an iterator; a loop that is left calls `close`. */
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
