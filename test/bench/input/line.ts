// The messages of the benchmarks: a payload of seven keys that makes a line of 287 bytes, or one of a number and a text
// that makes a payload of any length; and the lines as users of plain sockets write them.

import { join } from 'node:path'

/** Bytes of a line with its newline. */
export const LINE_BYTES = 287
/** Where all contestants listen, in the directory of the trial. */
export const PIPE_NAME = 'bench'

/** The same place for contestants that do not use our `listen`. */
export function socketPath(directory: string, name = PIPE_NAME): string {
  return join(directory, `${name}.sock`)
}

/**
 * The number in all payloads. It counts the messages, and always has eight digits, so that all lines have one length.
 */
export interface NumberedEvent {
  readonly sequence: number
}

export interface LogonEvent extends NumberedEvent {
  readonly host: string
  readonly user: string
  readonly src_ip: string
  readonly dst_port: number
  readonly process: string
  readonly message: string
}

export interface TextEvent extends NumberedEvent {
  readonly text: string
}

export interface PlainMessage {
  readonly type: string
  readonly id: string
  readonly ts: number
  readonly payload: NumberedEvent
}

const FIRST_SEQUENCE = 10_000_000
const SEQUENCES = 90_000_000
const TEXT = 'Failed password for invalid user alice from 10.20.30.40 port 5123 ssh2'

export function logonEvent(i: number): LogonEvent {
  return {
    host: 'web-1.prod.example',
    user: 'alice',
    src_ip: '10.20.30.40',
    dst_port: 443,
    process: '/usr/sbin/sshd',
    sequence: FIRST_SEQUENCE + (i % SEQUENCES),
    message: TEXT,
  }
}

/** Bytes of a payload with an empty text. */
const TEXT_EVENT_BYTES = JSON.stringify({ sequence: FIRST_SEQUENCE, text: '' }).length

/** Length of the text in a payload of this many bytes. */
export function textBytesOf(payloadBytes: number): number {
  return payloadBytes - TEXT_EVENT_BYTES
}

/** Makes events one by one: with seven keys if the length is 0, otherwise with a payload of that many bytes. */
export function eventMaker(payloadBytes: number): (i: number) => NumberedEvent {
  if (payloadBytes === 0) return logonEvent
  const text = 'x'.repeat(textBytesOf(payloadBytes))
  return (i): TextEvent => ({ sequence: FIRST_SEQUENCE + (i % SEQUENCES), text })
}

/** The number of the message that this event was made for. */
export function numberOf(event: NumberedEvent): number {
  return event.sequence - FIRST_SEQUENCE
}

const started = Math.floor(Date.now() / 1000)
const ID_START = String(started)

/** A message as an object, with the cheapest possible id. */
export function plainMessage(i: number, payload: NumberedEvent = logonEvent(i)): PlainMessage {
  return { type: 'soc_event', id: ID_START + String(100_000_000 + i), ts: started, payload }
}

/** Bytes of a line around its payload, with the newline. */
export const ENVELOPE_BYTES =
  JSON.stringify(plainMessage(0)).length - JSON.stringify(logonEvent(0)).length + '\n'.length

const MOST_TEXTS = 1000
const MOST_TEXT_BYTES = 4 << 20

/** Payloads that are JSON text already, as in a program that only forwards them. Numbers rise, then start again. */
export function payloadTexts(payloadBytes = 0): readonly string[] {
  const makeEvent = eventMaker(payloadBytes)
  const count = Math.min(MOST_TEXTS, Math.max(4, Math.floor(MOST_TEXT_BYTES / Math.max(1, payloadBytes))))
  return Array.from({ length: count }, (_, i) => JSON.stringify(makeEvent(i)))
}

/** Bytes of the payload of seven keys. */
export const PAYLOAD_BYTES = JSON.stringify(logonEvent(0)).length
