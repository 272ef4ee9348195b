// Batches of lines in memory on their way out: which messages of which sessions they hold, and how a batch that is too
// large for the message system is split.

import type { AcknowledgingReceiver } from '../delivery/receiver/acknowledging-receiver.js'
import { offsetOfLine } from '../delivery/protocol/lines.js'
import type { SOCMessage } from '../message/message.js'

/** One session of a local sender, as an outgoing bridge tracks it. */
export interface Origin {
  readonly uid: number
  readonly sid?: string
  readonly pid: number
  readonly unit?: string
  readonly session: string
  /** The last number that was gathered. */
  gathered: number
  /** Messages through this number may be accepted: the spool has them, or without a spool the message system. */
  safe: number
  /** The last number that entered the window; undefined before the first. */
  entered: number | undefined
  /** Every number through this one is stored, or will never arrive. */
  stored: number
  /** Index of the last draft that holds a message of the session. */
  draft: number
  /** Messages gathered but not stored. */
  pending: number
}

/** Consecutive messages of one session. */
export interface Stretch {
  readonly origin: Origin
  readonly first: number
  count: number
}

/** Messages that a local receiver handed out, to be accepted when they are safe. */
export interface Taken {
  readonly receiver: AcknowledgingReceiver
  readonly messages: readonly SOCMessage[]
}

/** Messages of one type, as lines. */
export interface GatheredBatch {
  readonly type: string
  readonly stretches: readonly Stretch[]
  readonly count: number
  readonly lines: Buffer
  /** The messages to accept when the batch is safe. Empty for a batch read from a spool. */
  readonly taken: readonly Taken[]
}

/** Splits a batch before the line `at`. Accepting the second part accepts the whole batch. */
export function splitBatch(batch: GatheredBatch, at: number): [GatheredBatch, GatheredBatch] {
  const offset = offsetOfLine(batch.lines, at)
  const before: Stretch[] = []
  const after: Stretch[] = []
  let left = at
  for (const { origin, first, count } of batch.stretches) {
    const head = Math.min(left, count)
    if (head > 0) before.push({ origin, first, count: head })
    if (count > head) after.push({ origin, first: first + head, count: count - head })
    left -= head
  }
  const { type, lines, count, taken } = batch
  return [
    { type, stretches: before, count: at, lines: lines.subarray(0, offset), taken: [] },
    { type, stretches: after, count: count - at, lines: lines.subarray(offset), taken },
  ]
}

/** Maximum bytes of header that describe one run: its keys, numbers and session, each of maximum length. */
const RUN_BYTES = 192

/**
 * Returns the maximum bytes of headers that a stretch of this session needs. Each backslash of a unit's name is
 * escaped.
 */
export function headerBytesOf({ sid = '', unit = '' }: Pick<Origin, 'sid' | 'unit'>): number {
  return RUN_BYTES + sid.length + 2 * unit.length
}

/** Returns the maximum bytes of the lines and headers. */
export function bytesOf({ lines, stretches }: GatheredBatch): number {
  let bytes = lines.length
  for (const { origin } of stretches) bytes += headerBytesOf(origin)
  return bytes
}

/** Splits a batch until each part fits, with its headers, or holds one message. */
export function fitBatch(batch: GatheredBatch, maxBytes: number): GatheredBatch[] {
  if (batch.count <= 1 || bytesOf(batch) <= maxBytes) return [batch]
  const [before, after] = splitBatch(batch, batch.count >>> 1)
  return [...fitBatch(before, maxBytes), ...fitBatch(after, maxBytes)]
}

/** Accepts the messages of a batch that is now safe. */
export function acceptBatch({ stretches, taken }: GatheredBatch): void {
  for (const { origin, first, count } of stretches) origin.safe = Math.max(origin.safe, first + count - 1)
  for (const { receiver, messages } of taken) receiver.acknowledge(messages)
}
