// What was read from a connection and not yet asked for: numbered runs, and errors at their place between them. Says when
// to stop reading. Must not know connections.

import type { IpcError } from '../base/errors.js'
import type { SOCMessage } from '../message/message.js'

export interface ReadRun {
  readonly messages: SOCMessage[]
  /** Number of the first message; 0: the sender does not number them. */
  readonly first: number
  /** Messages before this index are handed out or passed over. */
  at: number
}

/** Reading stops when so many messages wait to be asked for. */
const MAX_MESSAGES = 1024

export class ReadAhead {
  #entries: (ReadRun | IpcError)[] = []
  #messages = 0
  #resume: (() => void) | undefined

  get first(): ReadRun | IpcError | undefined {
    return this.#entries[0]
  }

  get full(): boolean {
    return this.#messages >= MAX_MESSAGES
  }

  /** Reading waits for room. */
  get stopped(): boolean {
    return this.#resume !== undefined
  }

  addRun(messages: SOCMessage[], first: number): void {
    this.#messages += messages.length
    this.#entries.push({ messages, first, at: 0 })
  }

  addError(error: IpcError): void {
    this.#entries.push(error)
  }

  shift(): void {
    this.#entries.shift()
  }

  /** So many of the first run have gone. */
  advance(run: ReadRun, messages: number): void {
    run.at += messages
    this.#messages -= messages
  }

  /** Throws all messages away; answers how many. Errors stay to be told. */
  clear(): number {
    const messages = this.#messages
    this.#entries = this.#entries.filter((entry) => !('messages' in entry))
    this.#messages = 0
    return messages
  }

  /** Resolves when {@link resume} is called. */
  async roomy(): Promise<void> {
    await new Promise<void>((resolve) => (this.#resume = resolve))
    this.#resume = undefined
  }

  resume(): void {
    this.#resume?.()
  }
}
