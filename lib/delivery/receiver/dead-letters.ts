// Dead letters, messages that the receiver rejected: keeps them in a separate spool, if there is one, and reports them.

import { NUMBER_BYTES } from '../../binding/abi.js'
import { frameBytes } from '../../message/envelope.js'
import type { RejectionReason } from '../../base/error-reasons.js'
import { IpcError } from '../../base/errors.js'
import { callUser } from '../../base/user-code.js'
import { priorityOf } from '../../endpoints/message-queue.js'
import { frameOf, type SOCMessage } from '../../message/message.js'
import type { SpoolLog } from '../../spool/spool-log.js'
import { numberLines } from '../protocol/lines.js'

/** A message that was rejected: by the application, or because `maxDeliveries` was reached. */
export interface DeadLetter {
  /** The rejected message. */
  readonly message: SOCMessage
  /** The reason reported to its sender: the one given to `reject`, or `max-deliveries`. */
  readonly reason: RejectionReason
  /** How many times it was handed out. */
  readonly deliveries: number
}

export class DeadLetters {
  readonly #onDeadLetter: ((letter: DeadLetter) => void) | undefined
  readonly #spool: SpoolLog | undefined

  constructor(onDeadLetter: ((letter: DeadLetter) => void) | undefined, spool: SpoolLog | undefined) {
    this.#onDeadLetter = onDeadLetter
    this.#spool = spool
  }

  /**
   * Stores a message. Returns undefined if there is nothing to wait for; otherwise a promise that resolves with whether
   * the message is durable, and never rejects.
   */
  keep(letter: DeadLetter): Promise<boolean> | undefined {
    if (this.#spool === undefined) {
      this.#report(letter)
      return undefined
    }
    return this.#append(this.#spool, letter.message).then(
      () => {
        this.#report(letter)
        return true
      },
      () => false,
    )
  }

  async #append(spool: SpoolLog, message: SOCMessage): Promise<void> {
    const line = frameBytes(frameOf(message))
    const value = Buffer.allocUnsafe(spool.headerBytes + line.length + NUMBER_BYTES)
    if (!spool.fits(value.length + spool.overheadBytes))
      throw new IpcError('ERR_IPC_BUFFER_FULL', 'the spool of dead letters is full')
    const end = numberLines(line, line.length, value, spool.headerBytes, spool.next)
    const priorities: [number, number, number] = [0, 0, 0]
    ++priorities[priorityOf(message.type)]
    await spool.append({ count: 1, value: value.subarray(0, end), priorities }).durable
  }

  #report(letter: DeadLetter): void {
    if (this.#onDeadLetter !== undefined) callUser('onDeadLetter', this.#onDeadLetter, letter)
  }
}
