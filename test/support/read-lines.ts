// Messages made of given lines, as a receiver reads them, without a connection: for tests of many small texts.

import { expect } from 'vitest'

import { RecordWord } from '../../lib/binding/abi.js'
import { addon } from '../../lib/binding/addon.js'
import type { SOCMessage } from '../../lib/message/message.js'
import type { PeerIdentity } from '../../lib/peer/peer.js'
import { lineReading, type PayloadOptions } from '../../lib/wire/line-reading.js'
import { threadWindow } from '../../lib/wire/read-window.js'
import { decodeLines } from '../../lib/wire/record-decoder.js'

/** A number that no descriptor of the test has. */
const STREAM = 99_991

const peer = { pid: 1 } as PeerIdentity

/** The messages of these lines. No line may be invalid. */
export function readLines(lines: readonly string[], options: PayloadOptions = {}): SOCMessage[] {
  const reading = lineReading('readLines', options)
  if (reading.fields !== undefined) threadWindow.prepareFieldRows()
  addon.openReader(STREAM, 1 << 20, reading.fields?.pointers)
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const messages: SOCMessage[] = []
  const consumer = {
    onRun: (_owner: undefined, run: SOCMessage[]) => {
      messages.push(...run)
    },
    onRefused: () => {
      throw new Error('a line is invalid')
    },
  }
  addon.beginTurn()
  const push = (): number => addon.pushRecords(STREAM, bytes, bytes.length)
  try {
    let count = threadWindow.withRoom(push(), push)
    decodeLines(threadWindow, count, peer, undefined, consumer, reading)
    while (threadWindow.hasMore) {
      count = addon.moreRecords(STREAM)
      decodeLines(threadWindow, count, peer, undefined, consumer, reading)
    }
  } finally {
    addon.closeReader(STREAM)
    threadWindow.settle()
  }
  expect(messages).toHaveLength(lines.length)
  return messages
}

/** The flags of the record that the addon makes of a line. */
export function recordFlags(line: string): number {
  addon.openReader(STREAM, 1 << 20, undefined)
  addon.beginTurn()
  const bytes = Buffer.from(`${line}\n`)
  try {
    expect(addon.pushRecords(STREAM, bytes, bytes.length)).toBe(1)
    return threadWindow.records[RecordWord.flags] as number
  } finally {
    addon.closeReader(STREAM)
    threadWindow.settle()
  }
}

/** The message of one line with this payload. */
export function readPayload(payload: string, options?: PayloadOptions): SOCMessage {
  return readLines([`{"type":"t","id":"1","ts":1,"payload":${payload}}`], options)[0] as SOCMessage
}
