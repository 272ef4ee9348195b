// Makes records for a spool and reads a spool back.

import { expect, onTestFinished } from 'vitest'

import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { SpoolDraft, type DraftRecord } from '../../lib/delivery/sender/spool-draft.js'
import { messagesOf } from '../../lib/delivery/protocol/lines.js'
import { emptyLines } from '../../lib/spool/record.js'
import { Run } from '../../lib/delivery/sender/run.js'
import { HEADER_BYTES } from '../../lib/spool/record.js'
import { OVERHEAD_BYTES } from '../../lib/spool/record-index.js'
import type { SpoolOptions } from '../../lib/spool/options.js'
import { Spool } from '../../lib/spool/spool.js'

export const TYPES = ['soc_heartbeat', 'soc_event', 'soc_incident'] as const

/** Messages as one record, numbered from `first` on. */
export function record(messages: readonly SOCMessage[], first = 1): DraftRecord {
  const draft = new SpoolDraft(HEADER_BYTES, OVERHEAD_BYTES)
  draft.add(messages, first)
  const [made, ...more] = draft.take()
  if (made === undefined || more.length > 0) throw new Error('these messages make more than one record')
  return made
}

/** One record of messages whose ids are their numbers. */
export function entry(types: readonly string[], from: number): DraftRecord {
  return record(
    types.map((type, i) => newSOCMessage(type, { n: from + i }, { id: String(from + i) })),
    from,
  )
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
  const found: [number, string][] = []
  for (const { first, count, lines, patchy } of spool.read(from, Infinity)) {
    const run = new Run(first, count, lines, patchy ? emptyLines(lines, count) : undefined)
    run.settle(0, from - first)
    run.forEachUnsettled((stretch, begin, last) => {
      const messages = messagesOf(stretch)
      expect(messages).toHaveLength(last - begin + 1)
      messages.forEach((message, i) => found.push([begin + i, message.id]))
    })
  }
  return found
}
