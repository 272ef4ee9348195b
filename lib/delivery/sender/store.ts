// Where an acknowledged sender keeps messages until they are settled: memory or a spool. The contract between the backlog and
// either.

import type { IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import type { DropReason, Outcome, SendResult } from './outcome.js'
import type { Run } from './run.js'

/** What a store reports to the backlog. */
export interface StoreEvents {
  /** There is something new to take. */
  onReady(): void
  /** Messages were taken into the store. */
  onAccepted(messages: number): void
  /** Messages were given up. `messages` lacks those that are only on disk. */
  onDropped(count: number, reason: DropReason, error: IpcError, messages: readonly SOCMessage[]): void
}

export interface Store {
  readonly session: string
  /** Messages taken in that are neither settled nor given up. */
  readonly pending: number
  /** At most half of the room is in use. */
  readonly roomy: boolean
  /** Takes messages that were checked as far as that is cheap, or rejects. */
  accept(messages: readonly SOCMessage[], bytes: number): Promise<SendResult>
  /** The next run to be sent. Its numbers follow those of the one before, or jump over what was given up. */
  take(): Run | undefined
  /** Lines of a run that was taken are settled, by index. */
  release(run: Run, begin: number, end: number, outcome: Outcome): void
  /** Numbers are settled, among them those that {@link release} named before. Returns how many messages that were. */
  settle(first: number, last: number): number
  /** Gives up everything but what is in a spool. `sent` was taken and is not settled. */
  abandon(error: IpcError, reason: DropReason, sent: readonly Run[]): void
  /** Resolves when everything taken in is as safe as it will get. */
  flush(): Promise<void>
  close(): Promise<void>
}
