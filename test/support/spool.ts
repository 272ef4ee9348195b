// Makes records for a spool and reads a spool back.

import { expect, onTestFinished } from 'vitest'

import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { SpoolDraft, type DraftRecord } from '../../lib/delivery/sender/spool-draft.js'
import { messagesOf, runsOf } from '../../lib/delivery/sender/lines.js'
import { HEADER_BYTES } from '../../lib/spool/record.js'
import { OVERHEAD_BYTES } from '../../lib/spool/record-index.js'
import type { SpoolOptions } from '../../lib/spool/options.js'
import { Spool } from '../../lib/spool/spool.js'

export const TYPES = ['soc_heartbeat', 'soc_event', 'soc_incident'] as const

/** Messages as one record. */
export function record(messages: readonly SOCMessage[]): DraftRecord {
  const draft = new SpoolDraft(HEADER_BYTES, OVERHEAD_BYTES)
  draft.add(messages)
  const [first, ...more] = draft.take()
  if (first === undefined || more.length > 0) throw new Error('these messages make more than one record')
  return first
}

/** One record of messages whose ids are their numbers. */
export function entry(types: readonly string[], from: number): DraftRecord {
  return record(types.map((type, i) => newSOCMessage(type, { n: from + i }, { id: String(from + i) })))
}

/** A spool that is closed with the test. */
export async function opened(directory: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const spool = await Spool.open({ directory, ...options })
  onTestFinished(() => spool.close())
  return spool
}

/** Numbers and ids of all messages in it. */
export function contents(spool: Spool): [number, string][] {
  const from = spool.settledThrough + 1
  return spool.read(from, Infinity).flatMap((each) =>
    runsOf(each, from).flatMap(({ first, count, lines }) => {
      const messages = messagesOf(lines)
      expect(messages).toHaveLength(count)
      return messages.map((message, i): [number, string] => [first + i, message.id])
    }),
  )
}
