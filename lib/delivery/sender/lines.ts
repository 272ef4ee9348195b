// The lines that go over the wire, which are those that a spool keeps: cut into runs, and back into messages.

import type { SOCMessage } from '../../message/message.js'
import { newSOCMessage, rawJSON } from '../../message/new-message.js'
import { newRun, type Run } from './in-flight.js'
import type { SpoolRecord } from '../../spool/spool-log.js'

const NEWLINE = 10

/** Where line `index` begins. */
export function offsetOfLine(lines: Buffer, index: number): number {
  let offset = 0
  for (let i = 0; i < index; ++i) offset = lines.indexOf(NEWLINE, offset) + 1
  return offset
}

/** A record's messages from a number on, in runs without those that were given up. */
export function runsOf(record: SpoolRecord, from: number): Run[] {
  const { first, count, lines } = record
  const skip = Math.max(0, from - first)
  if (skip >= count) return []
  let begin = offsetOfLine(lines, skip)
  if (!record.patchy) return [newRun(first + skip, count - skip, lines.subarray(begin))]
  const runs: Run[] = []
  let run = 0
  const end = (at: number, index: number): void => {
    if (run > 0) runs.push(newRun(first + index - run, run, lines.subarray(begin, at)))
    run = 0
  }
  let at = begin
  for (let index = skip; index < count; ++index) {
    const next = lines.indexOf(NEWLINE, at) + 1
    if (next - at === 1) {
      end(at, index)
      begin = next
    } else ++run
    at = next
  }
  end(at, count)
  return runs
}

const LINE =
  /^\{"type":("(?:[^"\\]|\\.)*")(?:,"id":("(?:[^"\\]|\\.)*"))?,"ts":(-?\d+)(?:,"payload":(.*))?\}$/s

/** The messages of lines that `frameOf` wrote, without those that were given up. */
export function messagesOf(lines: Buffer): SOCMessage[] {
  const messages: SOCMessage[] = []
  for (const line of lines.toString('utf8').split('\n')) {
    const [, type, id, timestamp, payload] = LINE.exec(line) ?? []
    if (type === undefined) continue
    messages.push(
      newSOCMessage(JSON.parse(type) as string, payload === undefined ? undefined : rawJSON(payload), {
        id: id === undefined ? '' : (JSON.parse(id) as string),
        timestamp: Number(timestamp),
      }),
    )
  }
  return messages
}
