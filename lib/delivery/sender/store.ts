// Where an acknowledged sender keeps messages until they are settled: the interface between the backlog and the two
// stores, memory and spool.

import type { IpcError } from '../../base/errors.js'
import type { OnFull } from '../../endpoints/message-queue.js'
import type { SOCMessage } from '../../message/message.js'
import type { DropReason, Outcome, SendResult } from './outcome.js'
import type { Run } from './run.js'

/** The events of a store, for the backlog. */
export interface StoreEvents {
  /** New runs can be taken. */
  onReady(): void
  /** Messages were accepted into the store. */
  onAccepted(messages: number): void
  /** Messages were given up. `messages` does not include messages that are only on disk. */
  onDropped(count: number, reason: DropReason, error: IpcError, messages: readonly SOCMessage[]): void
  /** The store cannot be used any more. Called once, in a microtask of its own. */
  onFailed(error: IpcError): void
}

/** The limits of a store in memory, and the policy at the limit. */
export interface StoreLimits {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly onFull: OnFull
}

/** The methods never throw: a store that fails reports it once, and then accepts and returns nothing more. */
export interface Store {
  readonly session: string
  /** Accepted messages that are neither settled nor given up. */
  readonly pending: number
  /** Every settlement through this number is durable: it survives even if this process is killed. */
  readonly recordedThrough: number
  /** Whether at most half of the room is in use. */
  readonly roomy: boolean
  /** Accepts messages, on which the inexpensive checks were done before, or rejects. */
  accept(messages: readonly SOCMessage[], bytes: number): Promise<SendResult>
  /** The next run to be sent. Its numbers follow the previous run, or skip messages that were given up. */
  take(): Run | undefined
  /** Notes that lines of a taken run are settled, by index. */
  release(run: Run, begin: number, end: number, outcome: Outcome): void
  /**
   * Settles numbers, including those passed to {@link release} before. Returns how many messages that were. `rejection`
   * is the receiver's reason if it rejected them.
   */
  settle(first: number, last: number, rejection?: string): number
  /** Gives up all messages that are not in a spool. `sent` are the runs that were taken and are not settled. */
  abandon(error: IpcError, reason: DropReason, sent: readonly Run[]): void
  /** Resolves when all accepted messages are as durable as they will get. */
  flush(): Promise<void>
  close(): Promise<void>
}
