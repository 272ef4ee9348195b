// Where an acknowledged sender's messages come from: memory or a spool. The contract between the sender and either.

import type { IpcError } from '../../base/errors.js'
import type { SOCMessage } from '../../message/message.js'
import type { Run } from './in-flight.js'
import type { DropReason, SendResult } from './receipt.js'

/** What a source tells its sender. */
export interface SourceEvents {
  /** There is something new to take. */
  onReady(): void
  /** Messages were taken into the source. */
  onAccepted(messages: number): void
  /** Messages were given up. They are not given where they are not at hand any more. */
  onDropped(count: number, reason: DropReason, error: IpcError, messages: readonly SOCMessage[]): void
}

export interface Source {
  readonly session: string
  /** The highest number that the peer may know of from before: what a process before this one may have sent. */
  readonly highestBefore: number
  /** All through here was acknowledged before. */
  readonly acknowledgedBefore: number
  /** Number of the oldest message that is not acknowledged and not in flight; undefined: the next one that comes. */
  readonly oldest: number | undefined
  /** Messages taken in that are neither done with nor given up. */
  readonly pending: number
  /** At most half of the room is in use. */
  readonly roomy: boolean
  /** Takes messages, or rejects. They were checked, one by one, as far as that is possible. */
  accept(messages: readonly SOCMessage[], bytes: number): Promise<SendResult>
  /** The next messages to be sent, now in flight, numbered from `next` or higher. */
  take(next: number): Run | undefined
  /** Messages of a run are done with. Called before `settled`. */
  release(run: Run, begin: number, end: number, status: 'acknowledged' | 'written'): void
  /** All through this number is done with; answers how many messages that were. */
  settle(through: number): number
  /** Gives everything up. A spool keeps it for the next process instead. */
  abandon(error: IpcError, reason: DropReason): void
  /** Resolves when what was taken is in the source's keeping. */
  settled(): Promise<void>
  close(): Promise<void>
}
