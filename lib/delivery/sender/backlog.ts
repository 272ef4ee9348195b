// What an acknowledged sender has taken and is not done with: takes messages in, counts what becomes of them, and wakes who
// waits for room or for the end. Must not know connections.

import { queueMicrotask } from '../../base/globals.js'
import { checkFrameSize, MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import { IpcError, rejected } from '../../base/errors.js'
import { frameOf, sizeBound, SOCMessage } from '../../message/message.js'
import { Waiters } from '../../base/waiters.js'
import { isControl } from '../protocol/control.js'
import { MemorySource } from './memory-source.js'
import type { AcknowledgedSenderOptions, AcknowledgedSenderStats, CheckedOptions } from './options.js'
import { Outbox } from './outbox.js'
import type { DropReason, SendResult } from './receipt.js'
import type { Source, SourceEvents } from './source.js'
import { SpoolSource } from './spool-source.js'

export class Backlog {
  readonly outbox: Outbox
  readonly #source: Source
  readonly #onDrop: AcknowledgedSenderOptions['onDrop']
  readonly #onReady: () => void
  readonly #recovered: number
  readonly #dropped: Record<DropReason, number> = {
    full: 0,
    invalid: 0,
    expired: 0,
    storage: 0,
    undeliverable: 0,
    timeout: 0,
  }
  #accepted: number
  #scheduled = false
  readonly #idle = new Waiters()
  readonly #wantRoom = new Waiters()

  /** @param onReady told, when the present work is done, that there is something new to write */
  constructor(
    name: string,
    { maxMessages, maxBytes, onFull }: CheckedOptions,
    { spool, onDrop }: AcknowledgedSenderOptions,
    onReady: () => void,
  ) {
    this.#onDrop = onDrop
    this.#onReady = onReady
    this.#recovered = this.#accepted = spool?.messages ?? 0
    const events = this.#sourceEvents()
    this.#source =
      spool === undefined
        ? new MemorySource(name, maxMessages, maxBytes, onFull, events)
        : new SpoolSource(name, spool, maxMessages, maxBytes, onFull, events)
    this.outbox = new Outbox(this.#source)
  }

  /** Messages taken that are neither done with nor given up. */
  get pending(): number {
    return this.#source.pending
  }

  /** At most half of the room is in use. */
  get roomy(): boolean {
    return this.#source.roomy
  }

  get counts(): Omit<AcknowledgedSenderStats, 'connections'> {
    return {
      accepted: this.#accepted,
      recovered: this.#recovered,
      acknowledged: this.outbox.acknowledgedMessages,
      written: this.outbox.writtenMessages,
      pending: this.#source.pending,
      dropped: Object.values(this.#dropped).reduce((sum, count) => sum + count, 0),
      droppedBy: { ...this.#dropped },
    }
  }

  /** Takes messages in; resolves and rejects as the sender's `sendBatch`. */
  accept(messages: readonly SOCMessage[]): Promise<SendResult> {
    let bytes = 0
    try {
      for (const message of messages) bytes += checkMessage(message)
    } catch (error) {
      return rejected(error as Error)
    }
    return this.#source.accept(messages, bytes)
  }

  /** Resolves when it is {@link roomy}, and rejects when it has no more room for anybody. */
  room(): Promise<void> {
    return this.roomy ? Promise.resolve() : this.#wantRoom.wait()
  }

  /** Resolves when nothing is pending, and rejects when all is given up. */
  done(): Promise<void> {
    return this.pending === 0 ? Promise.resolve() : this.#idle.wait()
  }

  /** Something was acknowledged or written. */
  onProgress(): void {
    if (this.#source.pending === 0) this.#idle.wake()
    if (this.#source.roomy) this.#wantRoom.wake()
  }

  /** There is no more room for anybody. */
  stopTaking(error: IpcError): void {
    this.#wantRoom.fail(error)
  }

  /** Gives everything up that is not in a spool. */
  abandon(error: IpcError, reason: DropReason): void {
    this.#source.abandon(error, reason)
    this.#idle.fail(error)
    this.#wantRoom.fail(error)
  }

  /** Resolves when what was taken is where it is kept. */
  settled(): Promise<void> {
    return this.#source.settled()
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #sourceEvents(): SourceEvents {
    return {
      onReady: () => {
        if (this.#scheduled) return
        this.#scheduled = true
        queueMicrotask(() => {
          this.#scheduled = false
          this.#onReady()
          // What the spool has now, takes no room here any more.
          this.onProgress()
        })
      },
      onAccepted: (messages) => {
        this.#accepted += messages
      },
      onDropped: (count, reason, error, messages) => {
        this.#dropped[reason] += count
        this.#onDrop?.({ count, reason, error, messages })
        queueMicrotask(() => {
          this.onProgress()
        })
      },
    }
  }
}

/** Answers how large it is; throws for what can never be sent. */
function checkMessage(message: SOCMessage): number {
  if (!(message instanceof SOCMessage)) throw new TypeError('a message must be a SOCMessage')
  if (isControl(message)) {
    throw new IpcError('ERR_IPC_INVALID_MESSAGE', 'the message has the id of those that acknowledge', {
      reason: 'reserved-id',
    })
  }
  const bytes = sizeBound(message)
  if (bytes * 3 > MAX_MESSAGE_BYTES) checkFrameSize(frameOf(message))
  return bytes
}
