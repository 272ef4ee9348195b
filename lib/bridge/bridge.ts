// What a bridge to a message system is made of: batches of lines, and the two small interfaces that such a system implements.
// NATS JetStream does (nats-sink.ts, nats-source.ts); so does a double in memory in the tests.

import type { RejectionReason } from '../base/error-reasons.js'

/** Consecutive messages of one session within a batch, and who sent them. */
export interface BatchRun {
  /** User of the sender, as the kernel of its host reported it; -1 on Windows. */
  readonly uid: number
  /** Security identifier of the sender (Windows). */
  readonly sid?: string
  /** Process id of the sender when it connected. For logs only. */
  readonly pid: number
  /** Unit of systemd that the sender belongs to, where known. */
  readonly unit?: string
  /** Session of the sender: 32 hexadecimal digits. */
  readonly session: string
  /** The number of the session that went out before this run; 0 if none. */
  readonly previous: number
  /** Number of the first message. */
  readonly first: number
  /** How many messages the run has. */
  readonly count: number
  /** Every number through `previous` is stored, or will never come. Otherwise `previous` must have been read first. */
  readonly anchored: boolean
}

/** Messages of one type from one host, stored together. */
export interface Batch {
  /** Name of the host that the messages come from. */
  readonly host: string
  /** Type of all messages. */
  readonly type: string
  /** Whose messages these are, in the order of the lines. */
  readonly runs: readonly BatchRun[]
  /**
   * The messages as lines, each with its newline. Empty for a batch whose one message became a dead letter: it only states
   * that the number will not come.
   */
  readonly lines: Buffer
}

/** A batch on its way to a {@link BatchSink}. */
export interface OutgoingBatch extends Batch {
  /** The same for each attempt to store this copy. Another copy of the batch has another id. */
  readonly id: string
}

/** What a {@link BatchSource} reads: a batch, or something else that is stored among them. */
export interface SourceItem {
  /** Its place in the order in which the system stored it, from 1. */
  readonly position: number
  /** The batch; undefined for anything else. */
  readonly batch: Batch | undefined
  /** With no batch: why it is not one. */
  readonly reason?: DeadLetterReason
  /** With no batch: the bytes. */
  readonly data?: Buffer
}

/**
 * Why a message cannot be delivered: its line does not fit (`too-large`), what is stored is not a batch of lines
 * (`not-a-batch`), a line in a batch is not a message (`invalid`), or the reason of a receiver.
 */
export type DeadLetterReason = 'too-large' | 'not-a-batch' | 'invalid' | RejectionReason

/** A message that cannot be delivered, kept for an operator. */
export interface BridgeDeadLetter {
  /** Identifies the letter: a second one with the same id may be dropped. */
  readonly id: string
  /** Host that the message comes from. */
  readonly host: string
  /** Its type. */
  readonly type: string
  /** Why it cannot be delivered: `too-large`, `not-a-batch`, `invalid`, or the reason of the receiver. */
  readonly reason: DeadLetterReason
  /** The line, or as much of the bytes as the system takes. */
  readonly data: Buffer
}

/** Largest sizes that a {@link BatchSink} takes. */
export interface SinkLimits {
  /** Most bytes of a batch of several messages: its lines, and about 200 for each of its runs. */
  readonly maxBatchBytes: number
  /** Longest single line in bytes, with its newline. */
  readonly maxLineBytes: number
}

/** A message system that stores batches. */
export interface BatchSink {
  /** Its limits as far as they are known. They may change while it is not ready. */
  readonly limits: SinkLimits
  /**
   * Resolves as soon as the system takes batches. Rejects for good if it never will. Calls `onRetry` with each error after
   * which it tries again.
   */
  ready(signal: AbortSignal, onRetry: (error: Error) => void): Promise<void>
  /**
   * Stores a batch and resolves with its position, which is higher than that of every batch stored before. If a batch with
   * this id is stored already, it may resolve with the position of that one instead. Several calls are under way at once.
   *
   * @throws any error if it was not stored, or if that is unknown; IpcError ERR_IPC_MESSAGE_TOO_LARGE if it never
   *   will be
   */
  put(batch: OutgoingBatch): Promise<number>
  /** Stores a dead letter, cut to what fits. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void>
  /** Ends the connection. */
  close(): Promise<void>
}

/** The checkpoint that a {@link BatchSource} keeps for its bridge. */
export interface SavedCheckpoint {
  /** As it was given to `saveCheckpoint`. */
  readonly checkpoint: Buffer
  /** The system has begun anew since, for example because its storage was replaced: positions start at 1 again. */
  readonly restarted: boolean
}

/** A message system that stored batches are read from. */
export interface BatchSource {
  /**
   * Connects, and returns the latest checkpoint; undefined if there is none. Rejects for good if it never can. Calls `onRetry`
   * with each error after which it tries again.
   */
  open(signal: AbortSignal, onRetry: (error: Error) => void): Promise<SavedCheckpoint | undefined>
  /** Everything after a position, in rising order, each item once, until the signal fires. Waits for a lost connection. */
  read(after: number, signal: AbortSignal): AsyncIterable<SourceItem>
  /** A checkpoint covers everything through this position: the system need not deliver it again. */
  acknowledge(through: number): void
  /**
   * Replaces the checkpoint.
   *
   * @throws {IpcError} ERR_IPC_ADDRESS_IN_USE if another bridge has replaced it: this one must stop; any other error: try
   *   again
   */
  saveCheckpoint(checkpoint: Buffer): Promise<void>
  /** Stores a dead letter, cut to what fits. */
  putDeadLetter(letter: BridgeDeadLetter): Promise<void>
  /** Ends the connection. */
  close(): Promise<void>
}

/**
 * What a bridge is doing.
 *
 *     starting ──▶ running ◀──▶ waiting      waiting: the message system is away; messages pile up within bounds
 *         └───────────┴────────────┴──▶ closed | failed
 */
export type BridgeState = 'starting' | 'running' | 'waiting' | 'closed' | 'failed'

/** Events of a bridge, for logs and alarms. */
export type BridgeEvent =
  /** The state has changed; `error` is the reason, if there is one. */
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
      /** Host that it comes from. */
      readonly host: string
      /** Its type. */
      readonly messageType: string
    }

/** Counts since a bridge was opened. */
export interface BridgeStats {
  /** Messages taken in. */
  readonly received: number
  /** Messages that the other side has: stored in the message system, or settled by the local receiver. */
  readonly delivered: number
  /** Messages taken in and neither delivered nor dead letters. */
  readonly pending: number
  /** Bytes of the pending messages that are in memory. */
  readonly pendingBytes: number
  /** Messages that had been taken before, and were skipped. */
  readonly duplicates: number
  /** Messages that became dead letters. */
  readonly deadLetters: number
  /** Batches stored or read. */
  readonly batches: number
  /** Out: batches sent again. In: messages skipped because an earlier one of their session was missing; they come again. */
  readonly repeated: number
}

/** One direction of a bridge. */
export interface Bridge {
  /** What it is doing. */
  readonly state: BridgeState
  /** Counts since it was opened. */
  readonly stats: BridgeStats
  /** Resolves when it has ended; rejects with the reason if it failed. */
  readonly ended: Promise<void>
  /** Takes no more messages, delivers the pending ones, and ends. Messages not delivered in time stay at their source. */
  close(options?: BridgeCloseOptions): Promise<void>
  /** Calls `close`. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Options of {@link Bridge.close}. */
export interface BridgeCloseOptions {
  /** Milliseconds that delivering may take. Default: 5000. */
  readonly timeoutMs?: number
}
