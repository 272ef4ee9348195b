// However a stream is cut on its way, it holds the same messages and the same errors.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { hasCode } from '../../lib/base/errors.js'
import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { connectedPair, rawToReceiver } from '../support/pair.js'

const goodLine = fc
  .record(
    {
      type: fc.oneof(
        fc.constantFrom('soc_event', 'soc_ack', 'a'),
        fc.string({ minLength: 1, unit: 'grapheme' }),
      ),
      id: fc.string({ unit: 'grapheme' }),
      ts: fc.maxSafeInteger(),
      payload: fc.jsonValue({ maxDepth: 4 }),
      other: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: ['type'] },
  )
  .map((envelope) => JSON.stringify(envelope))
const badLine = fc.oneof(
  fc.constantFrom(
    '{',
    '[]',
    '{"type":1}',
    '{"type":"a","type":"b"}',
    '"',
    '\\',
    'é',
    '{"type":"a","ts":0.5}',
  ),
  fc.string({ minLength: 1, unit: 'binary-ascii' }).map((text) => `!${text.replace(/[\r\n]/g, '')}`),
)
const ending = fc.constantFrom('\n', '\r\n', '\n\n')
const stream = fc
  .array(fc.tuple(fc.oneof({ weight: 4, arbitrary: goodLine }, badLine), ending), { maxLength: 25 })
  .map((lines) => ({ lines: lines.map(([line]) => line), bytes: Buffer.from(lines.flat().join('')) }))

/** What is read from bytes that arrive in these pieces: messages as they would be written, errors as their reason. */
async function read(pieces: Buffer[]): Promise<string[]> {
  const { raw, receiver, server } = await rawToReceiver()
  const results = (async () => {
    const seen: string[] = []
    for (;;) {
      try {
        const { value, done } = await receiver.next()
        if (done === true) return seen
        seen.push(JSON.stringify([value.type, value.id, value.timestamp, value.rawPayload ?? null]))
      } catch (error) {
        if (!hasCode(error, 'ERR_IPC_INVALID_MESSAGE')) throw error
        seen.push(`! ${error.reason ?? ''} ${error.offset ?? ''}`)
      }
    }
  })()
  raw.setNoDelay()
  for (const piece of pieces) {
    await new Promise((resolve) => raw.write(piece, resolve))
    // A turn of the event loop, so that the piece is read before the next one is written.
    await new Promise(setImmediate)
  }
  raw.end()
  const seen = await results
  server.destroy()
  return seen
}

function cut(bytes: Buffer, places: number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...sorted]
    .map((place, i) => bytes.subarray(place, sorted[i] ?? bytes.length))
    .filter((p) => p.length > 0)
}

describe('a stream', () => {
  it('gives the same messages wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.array(fc.nat(5000), { maxLength: 30 }), async ({ bytes }, places) => {
        expect(await read(cut(bytes, places))).toEqual(await read([bytes]))
      }),
      { numRuns: 60 },
    )
  })

  it('gives what JSON.parse gives, line by line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(goodLine, { maxLength: 30 }), async (lines) => {
        const expected = lines.map((line) => {
          const { type, id, ts, payload } = JSON.parse(line) as Record<string, unknown>
          return [
            type,
            id ?? '',
            Object.is(ts, -0) ? 0 : (ts ?? 0),
            payload === undefined ? null : JSON.stringify(payload),
          ]
        })
        const seen = await read([Buffer.from(lines.map((line) => `${line}\n`).join(''))])
        expect(seen.map((entry) => JSON.parse(entry) as unknown)).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })

  it('is cut at every single place of a small one', async () => {
    const bytes = Buffer.from(
      '{"type":"a","id":"é","payload":"\\"\\\\"}\r\n\nbad\n{"type":"b","ts":1}\n{"type":"c"}',
    )
    const whole = await read([bytes])
    expect(whole).toHaveLength(4)
    for (let place = 1; place < bytes.length; ++place) {
      expect(await read([bytes.subarray(0, place), bytes.subarray(place)]), `cut at ${place}`).toEqual(whole)
    }
  })

  it('is put together byte by byte', async () => {
    const bytes = Buffer.from('{"type":"a","id":"é"}\r\n{"type":"b","payload":[1,{"x":null}]}\n')
    expect(await read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(await read([bytes]))
  })

  it('is put together byte by byte while others are read in between', async () => {
    const streams = ['a', 'b', 'c'].map((type) =>
      Buffer.from(`{"type":"${type}","id":"é"}\r\n{"type":"${type}","payload":[1,{"x":null}]}\n`),
    )
    const seen = await Promise.all(
      streams.map((bytes) => read([...bytes].map((byte) => Buffer.from([byte])))),
    )
    expect(seen).toEqual(await Promise.all(streams.map((bytes) => read([bytes]))))
  })
})

describe('what a sender writes', () => {
  it('is what the receiver gets, in whatever way it is sent, and can be passed on untouched', async () => {
    const message = fc.tuple(
      fc.oneof(fc.constantFrom('soc_event', 'soc_incident'), fc.string({ minLength: 1, unit: 'grapheme' })),
      fc.jsonValue({ maxDepth: 3 }),
      fc.option(fc.string({ unit: 'grapheme' })),
      fc.maxSafeInteger(),
      fc.constantFrom('object', 'text', 'bytes'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 40 }), fc.boolean(), async (parts, batched) => {
        const first = await connectedPair()
        const second = await connectedPair()
        const messages = parts.map(([type, payload, id, timestamp, kind]) => {
          const text = JSON.stringify(payload)
          const content = kind === 'object' ? payload : rawJSON(kind === 'text' ? text : Buffer.from(text))
          return newSOCMessage(type, content, { timestamp, ...(id !== null && { id }) })
        })
        const sender = new Sender(first.client, 's')
        if (batched) await sender.sendBatch(messages)
        else await Promise.all(messages.map((each) => sender.send(each)))
        await sender.close()

        const relay = new Sender(second.client, 'relay')
        for await (const batch of new Receiver(first.server, 'r').batches()) await relay.sendBatch(batch)
        await relay.close()

        const received: SOCMessage[] = []
        for await (const each of new Receiver(second.server, 'r')) received.push(each)
        const plain = (each: SOCMessage): unknown => [each.type, each.id, each.timestamp, each.rawPayload]
        expect(received.map(plain)).toEqual(messages.map(plain))
      }),
      { numRuns: 40 },
    )
  })
})
