// The extra keys of messages survive a spool: adding and reading, delivery out of it, export, and drops.

import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { messageOfLine } from '../../../lib/message/line.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { lineOf, messageOf } from '../../../lib/services/ndjson.js'
import { readMessages } from '../../../lib/spool/read-only.js'
import { Spool } from '../../../lib/spool/spool.js'
import { sender, senderTo, take } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { rejectionOf, until } from '../../support/wait.js'

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
/** Values that look like other parts of a line. */
const TRICKY = {
  traceparent: TRACE,
  text: '}",\\"payload":{"a":1},"seq":7}',
  'a"b,"payload":': ['{', { payload: 1, seq: 2 }, null],
  n: -1.5e20,
}
const OPTIONS = { id: 'a"\\b', timestamp: 7, meta: TRICKY }

const MESSAGES: readonly SOCMessage[] = [
  newSOCMessage('soc_event', { n: 1, seq: 2 }, OPTIONS),
  newSOCMessage('soc_incident', undefined, { ...OPTIONS, id: '' }),
  newSOCMessage('a"\\', rawJSON('12345678901234567890'), OPTIONS),
  newSOCMessage('plain', 'x,"seq":5}', { id: 'p', timestamp: -3 }),
  newSOCMessage('soc_event', { n: 2 }, { ...OPTIONS, meta: { only: {} } }),
]

function shown({ type, id, timestamp, meta, rawPayload }: SOCMessage): unknown {
  return { type, id, timestamp, meta: { ...meta }, rawPayload }
}

const EXPECTED = MESSAGES.map(shown)

async function filled(): Promise<Spool> {
  const spool = await reopened(join(temporaryDirectory(), 'spool'))
  await spool.add(MESSAGES)
  return spool
}

async function reopened(directory: string): Promise<Spool> {
  const spool = await Spool.open({ directory })
  onTestFinished(() => spool.close())
  return spool
}

async function collected(entries: AsyncIterable<{ readonly message: SOCMessage }>): Promise<SOCMessage[]> {
  const messages: SOCMessage[] = []
  for await (const { message } of entries) messages.push(message)
  return messages
}

describe('the meta of a message', () => {
  it('comes out of a spool as it was added, for its owner and for others, and goes in again', async () => {
    const spool = await filled()
    const entries = await collected(spool.entries())
    expect(entries.map(shown)).toEqual(EXPECTED)
    expect((await collected(readMessages(spool.directory))).map(shown)).toEqual(EXPECTED)
    const other = await reopened(join(temporaryDirectory(), 'spool'))
    await other.add(entries)
    expect((await collected(other.entries())).map(shown)).toEqual(EXPECTED)
  })

  it('reaches the receiver of a sender with a spool, also from an earlier process', async () => {
    const before = await filled()
    const { directory } = before
    await before.close()
    const { made, receive } = await senderTo({ spool: await reopened(directory) })
    const sent = made.send(newSOCMessage('soc_event', 3, OPTIONS))
    const receiver = await receive()
    const received = await take(receiver, 6)
    expect(received.map(shown).slice(0, 5)).toEqual(EXPECTED)
    expect(received[5]?.meta).toEqual(TRICKY)
    expect(await sent).toMatchObject({ status: 'spooled' })
  })

  it.each(['memory', 'spool'])('is in the messages that a full %s drops', async (kind) => {
    const directory = temporaryDirectory()
    const drops: SOCMessage[] = []
    const made = sender(directory, {
      maxMessages: 2,
      onFull: 'drop-oldest',
      ...(kind === 'spool' && { spool: await reopened(join(directory, 'spool')) }),
      onDrop: ({ messages }) => drops.push(...messages),
    })
    for (const message of MESSAGES) void made.send(message).catch(() => undefined)
    await until(() => drops.length >= 3)
    for (const drop of drops) expect(EXPECTED).toContainEqual(shown(drop))
    expect(drops.some(({ meta }) => 'traceparent' in meta || 'only' in meta)).toBe(true)
  })

  it('stays in lines of text', () => {
    expect(MESSAGES.map((message) => shown(messageOf(lineOf(message).trimEnd())))).toEqual(EXPECTED)
    const line = '{"ts":1,"payload":2,"traceparent":"x","type":"a"}'
    expect(shown(messageOf(line))).toEqual(shown(messageOfLine(line)))
    expect(messageOf(line).meta).toEqual({ traceparent: 'x' })
  })

  it.each([
    ['{"type":"a","ts":1,"Type":"b","payload":1}', 'the key "Type"'],
    ['{"type":"a","ts":1,"x":},"payload":1}', 'not JSON'],
    ['{"type":"a","ts":1,"x":]],"payload":1}', 'not JSON'],
    ['{"type":"a","ts":1,"x":tru,"payload":1}', 'not JSON'],
    ['{"type":"\\x","ts":1}', 'not JSON'],
  ])('is refused in a line of text that no message can have: %s', async (line, text) => {
    const error = await rejectionOf(Promise.resolve().then(() => messageOf(line)))
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(String(error)).toContain(text)
  })
})
