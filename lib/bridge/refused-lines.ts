// Lines of local senders that the bridge cannot carry: too large, or not messages. Each becomes a dead letter with the
// known part of the line. Later messages do not wait for that.

import { randomHex } from '../base/crypto.js'
import { hasCode, isIpcError, type IpcError } from '../base/errors.js'
import type { BatchSink } from './bridge.js'
import type { BridgeLife } from './life.js'

/** Dead letters that may wait for the message system. Further refused lines are counted, and reported as events. */
const MOST_WAITING = 256

export class RefusedLines {
  readonly #sink: BatchSink
  readonly #host: string
  readonly #life: BridgeLife
  readonly #incarnation = randomHex(8)
  #count = 0
  #waiting = 0

  constructor(sink: BatchSink, host: string, life: BridgeLife) {
    this.#sink = sink
    this.#host = host
    this.#life = life
  }

  /**
   * Counts the line that a receiver's error is about, and stores it as a dead letter. Returns false if the error is not
   * about a line.
   */
  take(error: unknown): boolean {
    if (!isRefusal(error)) return false
    const { reason = 'invalid', sample = '' } = error
    const host = this.#host
    this.#life.emit({ type: 'dead-letter', reason, host, messageType: '' })
    ++this.#life.counts.received
    ++this.#life.counts.deadLetters
    const id = `${this.#incarnation}-refused-${++this.#count}`
    if (this.#waiting < MOST_WAITING)
      void this.#keep({ id, host, type: '', reason, data: Buffer.from(sample) })
    return true
  }

  async #keep(letter: Parameters<BatchSink['putDeadLetter']>[0]): Promise<void> {
    ++this.#waiting
    await this.#life.retry(() => this.#sink.putDeadLetter(letter))
    --this.#waiting
  }
}

/** Whether an error of a receiver is about one line, so that the next call goes on behind it. */
function isRefusal(error: unknown): error is IpcError {
  const isOfLine = hasCode(error, 'ERR_IPC_INVALID_MESSAGE') || hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE')
  return isOfLine && isIpcError(error) && error.sample !== undefined
}
