// The message of the benchmarks that are about messages: a payload of seven keys that makes a line of 287 bytes, and
// the lines as users of plain sockets write them.

import { join } from 'node:path'

/** Bytes of a line with its newline. */
export const LINE_BYTES = 287
/** Where all contestants listen, in the directory of the trial. */
export const PIPE_NAME = 'bench'

/** The same place for contestants that do not use our `listen`. */
export function socketPath(directory: string, name = PIPE_NAME): string {
  return join(directory, `${name}.sock`)
}

export interface LogonEvent {
  readonly host: string
  readonly user: string
  readonly src_ip: string
  readonly dst_port: number
  readonly process: string
  /** Counts the messages. Always eight digits, so that all lines are of one length. */
  readonly sequence: number
  readonly message: string
}

export interface PlainMessage {
  readonly type: string
  readonly id: string
  readonly ts: number
  readonly payload: LogonEvent
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

/** The number of the message that this event was made for. */
export function numberOf(event: LogonEvent): number {
  return event.sequence - FIRST_SEQUENCE
}

const started = Math.floor(Date.now() / 1000)
const ID_START = String(started)

/** A message as an object, with an id that costs as little as an id can. */
export function plainMessage(i: number): PlainMessage {
  return {
    type: 'soc_event',
    id: ID_START + String(100_000_000 + i),
    ts: started,
    payload: logonEvent(i),
  }
}

const TEXTS = 1000
/** Bytes of the payload of such a line. */
export const PAYLOAD_BYTES = JSON.stringify(logonEvent(0)).length

/** Payloads that are JSON text already, as a program has them that only passes them on. Numbers rise, then start again. */
export function payloadTexts(): readonly string[] {
  return Array.from({ length: TEXTS }, (_, i) => JSON.stringify(logonEvent(i)))
}
