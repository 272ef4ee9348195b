// Extra keys of the envelope: written, read on demand, bounded, and kept by a relay.

import { describe, expect, it } from 'vitest'

import { frameBytes } from '../../../lib/message/envelope.js'
import { frameOf, readyFrameStart, sizeBound, type SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON, type NewMessageOptions } from '../../../lib/message/new-message.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { sender } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { readLines } from '../../support/read-lines.js'

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

function lineOf(message: SOCMessage): string {
  return frameBytes(frameOf(message)).toString().trimEnd()
}

function readLine(line: string): SOCMessage {
  return readLines([line])[0] as SOCMessage
}

function withMeta(meta: unknown): SOCMessage {
  return newSOCMessage('soc_event', { a: 1 }, { id: '1', timestamp: 5, meta } as NewMessageOptions)
}

describe('meta', () => {
  it('stands behind ts, in front of the payload, and is read back', () => {
    const message = withMeta({ traceparent, n: 1, list: [{ x: null }], absent: undefined, é: '\ud800' })
    const line = lineOf(message)
    expect(line).toBe(
      `{"type":"soc_event","id":"1","ts":5,"traceparent":"${traceparent}","n":1,"list":[{"x":null}],"é":"\\ud800","payload":{"a":1}}`,
    )
    const read = readLine(line)
    for (const each of [message, read]) {
      expect(each.meta).toEqual({ traceparent, n: 1, list: [{ x: null }], é: '\ud800' })
      expect(each.meta).toBe(each.meta)
      expect([each.id, each.timestamp, each.payload]).toEqual(['1', 5, { a: 1 }])
      expect(Object.getPrototypeOf(each.meta)).toBeNull()
      expect([each.meta, each.meta['list']].every(Object.isFrozen)).toBe(true)
      expect(JSON.parse(JSON.stringify(each))).toEqual(JSON.parse(line))
    }
  })

  it('is empty where there is none, and the same object for all', () => {
    const none = readLine('{"type":"t","payload":1,"seq":7}')
    expect(none.meta).toBe(newSOCMessage('t').meta)
    expect(Object.keys(none.meta)).toEqual([])
    expect(withMeta({ a: undefined }).meta).toBe(none.meta)
  })

  it('is a copy: what happens to the given object afterwards does not matter', () => {
    const given = { list: [1] }
    const message = withMeta(given)
    given.list.push(2)
    expect(message.meta).toEqual({ list: [1] })
    expect(lineOf(message)).toContain('"list":[1]')
  })

  it('of a peer is read wherever it stands, however it is written; the last of two keys counts', () => {
    const read = readLine(
      '{"a":1,"type":"t", "\\u0062":"x\\n","payload":{"type":"no"},"seq":3,"__proto__":{"y":1},"a":2}',
    )
    expect(Object.entries(read.meta)).toEqual([
      ['a', 2],
      ['b', 'x\n'],
      ['__proto__', { y: 1 }],
    ])
    expect(readLine('{"x":"payload","type":"t"}').meta).toEqual({ x: 'payload' })
  })

  it.each([
    'type',
    'id',
    'ts',
    'payload',
    'seq',
    'source',
    'timestamp',
    'Type',
    'PAYLOAD',
    't\u017f',
    '\u017feq',
    'ID',
    '',
  ])('must not have the key %j', (key) => {
    expect(() => withMeta({ [key]: 1 })).toThrow(TypeError)
  })

  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a BigInt', 1n],
  ])('must not have %s for a value', (_what, value) => {
    expect(() => withMeta({ a: value })).toThrow(TypeError)
  })

  it.each([null, [], 'text', 7])('must be an object, not %j', (meta) => {
    expect(() => withMeta(meta)).toThrow(TypeError)
  })

  it('is not taken from an option of a similar name', () => {
    expect(() => newSOCMessage('t', 1, { metta: {} } as NewMessageOptions)).toThrow('did you mean meta?')
  })

  it('is bounded: 32 keys, 4096 bytes', () => {
    const keys = (count: number): Record<string, number> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]))
    expect(Object.keys(readLine(lineOf(withMeta(keys(32)))).meta)).toHaveLength(32)
    expect(() => withMeta(keys(33))).toThrow(RangeError)
    const text = 'x'.repeat(4096 - ',"a":""'.length)
    expect(readLine(lineOf(withMeta({ a: text }))).meta).toEqual({ a: text })
    expect(() => withMeta({ a: `${text}x` })).toThrow(RangeError)
    expect(() => withMeta({ a: 'é'.repeat(2045) })).toThrow('4096 bytes')
  })

  it('of a peer beyond the bounds is ignored as a whole, here and by the next receiver', () => {
    const many = Array.from({ length: 33 }, (_, i) => `"k${i}":0,`).join('')
    for (const line of [
      `{"type":"t","id":"1","ts":1,${many}"payload":1}`,
      `{"type":"t","id":"1","ts":1,"a":"${'x'.repeat(4096)}","payload":1}`,
    ]) {
      const read = readLine(line)
      expect(Object.keys(read.meta)).toEqual([])
      expect(lineOf(read)).toBe('{"type":"t","id":"1","ts":1,"payload":1}')
    }
  })

  it('of unlimited depth is refused when the message is sent, as such a payload is', async () => {
    const { client } = await connectedPair()
    const deep = JSON.parse('['.repeat(300) + ']'.repeat(300)) as unknown
    await expect(new Sender(client, 's').send(withMeta({ deep }))).rejects.toMatchObject({
      reason: 'too-deep',
    })
  })
})

describe('a message with meta that is passed on', () => {
  const standard = `{"type":"soc_event","id":"1","ts":5,"traceparent":"${traceparent}", "big":12345678901234567890,"payload":{"a": 1}}`

  it('goes on byte for byte if it stands where we write it', () => {
    const read = readLine(standard)
    expect(readyFrameStart(read)).toBe(0)
    expect(lineOf(read)).toBe(standard)
    for (const line of [
      '{"type":"ü","id":"","ts":-5,"x":1,"payload":"é"}',
      '{"type":"t","ts":0,"x":"é","payload":1}',
    ]) {
      expect(lineOf(readLine(line))).toBe(line.replace('"id":"",', ''))
    }
  })

  it('keeps it behind a number of acknowledged delivery, which is not passed on', () => {
    expect(lineOf(readLine(`${standard.slice(0, -1)},"seq":7}`))).toBe(standard)
  })

  it.each([
    ['{"x":1e2,"type":"t","payload":1}', '{"type":"t","ts":0,"x":100,"payload":1}'],
    ['{"type":"t","ts":1,"x":1}', '{"type":"t","ts":1,"x":1}'],
    ['{"type":"t","ts":1,"seq":9,"x":1,"payload":1}', '{"type":"t","ts":1,"x":1,"payload":1}'],
    ['{"type":"t","ts":1,"x":1,"seq":9,"y":2,"payload":1}', '{"type":"t","ts":1,"x":1,"y":2,"payload":1}'],
    ['{"type":"t","ts":1,"x":1,"payload":1,"y":2}', '{"type":"t","ts":1,"x":1,"y":2,"payload":1}'],
    ['{"type":"t","ts":1 ,"x":1,"payload":1}', '{"type":"t","ts":1,"x":1,"payload":1}'],
    ['{"type":"t","ts":1,"x":1 ,"payload":1}', '{"type":"t","ts":1,"x":1,"payload":1}'],
    ['{"type":"t","ts":1,"x":1,"payload" :1}', '{"type":"t","ts":1,"x":1,"payload":1}'],
    ['{"type":"t","ts":-0,"x":1,"payload":1}', '{"type":"t","ts":0,"x":1,"payload":1}'],
    ['{"type":"\\u0074","ts":1,"x":1,"payload":1}', '{"type":"t","ts":1,"x":1,"payload":1}'],
    ['{"type":"t","ts":1,"x":1,"payload":1}\r', '{"type":"t","ts":1,"x":1,"payload":1}'],
  ])('%s becomes %s', (line, expected) => {
    const read = readLine(line)
    expect(lineOf(read)).toBe(expected)
    expect(sizeBound(read)).toBeGreaterThanOrEqual(expected.length)
    expect(readLine(expected).meta).toEqual(read.meta)
  })

  it('arrives with it at the far end, plain or acknowledged', async () => {
    const [first, second] = [await connectedPair(), await connectedPair()]
    const given = Array.from({ length: 200 }, (_, i) =>
      newSOCMessage(
        'soc_event',
        i % 2 === 0 ? { i } : rawJSON(`{"i": ${i}}`),
        i % 3 === 0 ? {} : { meta: { traceparent, i } },
      ),
    )
    void new Sender(first.client, 's').sendBatch(given)
    const relay = new Sender(second.client, 'relay')
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const acknowledged = sender(directory)
    const relayed = (async () => {
      let count = 0
      for await (const batch of new Receiver(first.server, 'r').batches()) {
        await relay.sendBatch(batch)
        for (const message of batch) void acknowledged.send(message)
        if ((count += batch.length) === given.length) return
      }
    })()
    for (const receiver of [
      new Receiver(second.server, 'r'),
      new AcknowledgingReceiver(await listener.accept(), 'r'),
    ]) {
      const seen: unknown[] = []
      for await (const { meta, rawPayload } of receiver) {
        seen.push([{ ...meta }, rawPayload])
        if (seen.length === given.length) break
      }
      expect(seen).toEqual(given.map(({ meta, rawPayload }) => [{ ...meta }, rawPayload]))
    }
    await relayed
  })
})
