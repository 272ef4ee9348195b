// The types of a bridge: batches of lines, and the two interfaces that a message system implements. Implemented for
// NATS JetStream (nats-sink.ts, nats-source.ts), and in memory for the tests.

import type { RejectionReason } from '../base/error-reasons.js'

/** Consecutive messages of one session within a batch, and their sender. */
export interface BatchRun {
  /** User of the sender, as the kernel of its host reported it; -1 on Windows. */
  readonly uid: number
  /** Security identifier of the sender (Windows). */
  readonly sid?: string
  /** Process id of the sender when it connected. For logs only. */
  readonly pid: number
  /** Unit of systemd that the sender belongs to, if known. */
  readonly unit?: string
  /** Session of the sender: 32 hexadecimal digits. */
  readonly session: string
  /** The number of the session's message sent before this run; 0 if none was. */
  readonly previous: number
  /** Number of the first message. */
  readonly first: number
  /** How many messages the run has. */
  readonly count: number
  /**
   * Whether every number through `previous` is stored or will never arrive. If false, a reader must have read
   * `previous` before it accepts the run.
   */
  readonly anchored: boolean
}

/**
 * Messages of one type from one host, stored together. A batch of more than 262,144 messages becomes a dead letter
 * (`not-a-batch`) when an incoming bridge reads it.
 */
export interface Batch {
  /** Name of the host that the messages come from. */
  readonly host: string
  /** Type of all messages. */
  readonly type: string
  /** The senders of the messages, in the order of the lines. */
  readonly runs: readonly BatchRun[]
  /**
   * The messages as lines, each with its newline. Empty for a batch whose one message became a dead letter: it only
   * states that the number will not arrive.
   */
  readonly lines: Buffer
}

/** A batch for a {@link BatchSink}. */
export interface OutgoingBatch extends Batch {
  /** Id of this copy of the batch, the same in every attempt to store it. Another copy has another id. */
  readonly id: string
}

/** An item that a {@link BatchSource} reads: a batch, or other data stored among the batches. */
export interface SourceItem {
  /** Its place in the order in which the system stored it, from 1. */
  readonly position: number
  /** The batch; undefined for anything else. */
  readonly batch: Batch | undefined
  /** Without a batch: why the data is not one. */
  readonly reason?: DeadLetterReason
  /** Without a batch: the data. */
  readonly data?: Buffer
}

/**
 * Why a message cannot be delivered: its line is too long (`too-large`), the stored data is not a batch of lines, or
 * one of too many (`not-a-batch`), a line of a batch is not a message (`invalid`), or the reason that a receiver gave.
 */
export type DeadLetterReason = 'too-large' | 'not-a-batch' | 'invalid' | RejectionReason

/** A message that cannot be delivered, kept for an operator. */
export interface BridgeDeadLetter {
  /** Identifies the letter: a second one with the same id may be dropped. */
  readonly id: string
  /** Host that the message comes from; '' if it is not known, as for a message that the local receiver rejected. */
  readonly host: string
  /** Its type; '' if it is not known. */
  readonly type: string
  /** Why it cannot be delivered: `too-large`, `not-a-batch`, `invalid`, or the reason of the receiver. */
  readonly reason: DeadLetterReason
  /** The line, cut to the size that the system accepts. */
  readonly data: Buffer
}

/** The largest sizes that a {@link BatchSink} accepts. */
export interface SinkLimits {
  /** Maximum bytes of a batch of several messages: its lines, and about 200 for each of its runs. */
  readonly maxBatchBytes: number
  /** Longest single line in bytes, with its newline. */
  readonly maxLineBytes: number
}

/** A message system that stores batches. */
export interface BatchSink {
  /** The limits of the sink, as far as known. They may change while it is not ready. */
  readonly limits: SinkLimits
  /**
   * Resolves when the system accepts batches. Rejects if it never will, for example because of wrong credentials. Calls
   * `onRetry` with each error after which it tries again.
   */
  ready(signal: AbortSignal, onRetry: (error: Error) => void): Promise<void>
  /**
   * Stores a batch and resolves with its position, which is higher than that of every batch stored before. If a batch
   * with this id is stored already, it may resolve with the position of that one instead. Several calls may be in
   * progress at once.
   *
   * @throws any error if the batch was not stored, or if that is unknown; IpcError ERR_IPC_MESSAGE_TOO_LARGE if it can
   *   never be stored
   */
  put(batch: OutgoingBatch): Promise<number>
  /** Stores a dead letter, cut to what fits. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void>
  /** Ends the connection. */
  close(): Promise<void>
}

/** The checkpoint that a {@link BatchSource} keeps for its bridge. */
export interface SavedCheckpoint {
  /** The bytes passed to `saveCheckpoint`. */
  readonly checkpoint: Buffer
  /** Whether the system's storage was replaced or reset since, so that positions start at 1 again. */
  readonly restarted: boolean
}

/** A message system to read stored batches from. */
export interface BatchSource {
  /**
   * Connects, and resolves with the latest checkpoint; undefined if there is none. Rejects if it never can, for example
   * because of wrong credentials. Calls `onRetry` with each error after which it tries again. Called again if another
   * bridge has replaced that checkpoint before this one could.
   */
  open(signal: AbortSignal, onRetry: (error: Error) => void): Promise<SavedCheckpoint | undefined>
  /**
   * Yields every item after a position, in rising order, each once, until the signal fires. While the connection is
   * lost, it waits. Calls `report` with the error when it cannot read and will try again, and with undefined when it
   * can read again.
   */
  read(
    after: number,
    signal: AbortSignal,
    report: (error: Error | undefined) => void,
  ): AsyncIterable<SourceItem>
  /**
   * Acknowledges all items through a position, which a saved checkpoint covers: the system need not deliver them again.
   */
  acknowledge(through: number): void
  /**
   * Replaces the checkpoint.
   *
   * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE if another bridge has replaced the checkpoint, so that this one must
   * stop; any other error if the attempt should be repeated
   */
  saveCheckpoint(checkpoint: Buffer): Promise<void>
  /** Stores a dead letter, cut to what fits. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void>
  /** Ends the connection. */
  close(): Promise<void>
}

/**
 * The state of a bridge.
 *
 *     starting ──▶ running ◀──▶ waiting
 *         └───────────┴────────────┴──▶ closed | failed
 *
 * `waiting`: the message system is unreachable, or the spool cannot be written; messages accumulate within bounds.
 */
export type BridgeState = 'starting' | 'running' | 'waiting' | 'closed' | 'failed'

/** Events of a bridge, for logs and alarms. */
export type BridgeEvent =
  /**
   * The state has changed, or there is one more reason to wait: an unreachable message system and a spool that cannot
   * be written are reported separately. `error` is the reason, if there is one.
   */
  | {
      /** What happened. */
      readonly type: 'state'
      /** The new state. */
      readonly state: BridgeState
      /** The error behind it. */
      readonly error: Error | undefined
    }
  /** A message became a dead letter. */
  | {
      /** What happened. */
      readonly type: 'dead-letter'
      /** Why it cannot be delivered. */
      readonly reason: DeadLetterReason
      /** Host that it comes from; '' if it is not known. */
      readonly host: string
      /** Its type; '' if it is not known. */
      readonly messageType: string
    }

/** Counts since the bridge was opened. */
export interface BridgeStats {
  /** Messages received by the bridge. */
  readonly received: number
  /** Messages that the other side has: stored in the message system, or settled by the local receiver. Grows only. */
  readonly delivered: number
  /** Messages received that are neither delivered nor dead letters. */
  readonly pending: number
  /** Bytes of the pending messages that are in memory. */
  readonly pendingBytes: number
  /** Messages received again and skipped. */
  readonly duplicates: number
  /** Messages that became dead letters. */
  readonly deadLetters: number
  /** Batches stored or read. */
  readonly batches: number
  /**
   * Outgoing: batches sent again. Incoming: messages skipped because an earlier one of their session was missing; they
   * are read again later.
   */
  readonly repeated: number
}

/** One direction of a bridge. */
export interface Bridge {
  /** The state of the bridge. */
  readonly state: BridgeState
  /** Counts since it was opened. */
  readonly stats: BridgeStats
  /**
   * Resolves when the bridge has ended; rejects with the error if it failed, or if a part of it could not be closed.
   */
  readonly ended: Promise<void>
  /** Stops receiving, delivers the pending messages, and ends. Messages not delivered in time stay at their source. */
  close(options?: BridgeCloseOptions): Promise<void>
  /** Calls `close`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of {@link Bridge.close}. */
export interface BridgeCloseOptions {
  /** Milliseconds that delivery of the pending messages may take. Default: 5000. */
  readonly timeoutMs?: number
}
