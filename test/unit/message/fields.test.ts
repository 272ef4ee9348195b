// Fields that a receiver asks for: found natively, with the value that JSON.parse of the payload has there.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'

import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import type { ReceiverOptions } from '../../../lib/endpoints/receiver-options.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { sender } from '../../support/delivery.js'
import { connectedPair, listening, rawToReceiver } from '../../support/pair.js'
import { temporaryDirectory } from '../../support/directory.js'
import { readLines, readPayload } from '../../support/read-lines.js'

/** The value of a field, which must be found without parsing the payload. */
function fieldOf(payload: string, pointer: string): unknown {
  const message = readPayload(payload, { fields: [pointer] })
  const parse = vi.spyOn(JSON, 'parse')
  const value = message.field(pointer)
  for (const [text] of parse.mock.calls) expect(text.length).toBeLessThan(Math.max(payload.length, 2))
  parse.mockRestore()
  return value
}

describe('a field', () => {
  const event =
    '{"EventID":4625,"host":{"name":"web-1","tags":["a","b",{"c":null}]},"ok":true,"off":false,"text":"a\\n\\u00e9\\ud83d\\ude00","":"empty"}'
  it.each([
    ['/EventID', 4625],
    ['/host/name', 'web-1'],
    ['/host/tags/1', 'b'],
    ['/host/tags/2/c', null],
    ['/host/tags/3', undefined],
    ['/host/tags/01', undefined],
    ['/host/tags/-', undefined],
    ['/host/tags/length', undefined],
    ['/host/tags', ['a', 'b', { c: null }]],
    ['/ok', true],
    ['/off', false],
    ['/text', 'a\né😀'],
    ['/', 'empty'],
    ['/EventID/0', undefined],
    ['/missing', undefined],
    ['/toString', undefined],
    ['/host/name/length', undefined],
  ])('%s is the value there', (pointer, value) => {
    expect(fieldOf(event, pointer)).toEqual(value)
    expect(newSOCMessage('t', rawJSON(event)).field(pointer)).toEqual(value)
  })

  it('is not looked for beyond the end of a line that ends within its payload', async () => {
    // The long line makes the window memory of its own, at whose end the process would fail.
    const long = `{"type":"long","payload":{"z":"${'y'.repeat(700_000)}"}}\n`
    const { raw, receiver } = await rawToReceiver({ fields: ['/a', '/b'], onInvalid: 'skip' })
    raw.end(`${long}{"type":"x","payload":{"a":1,\n"b\\u00":2}}\n{"type":"last","payload":{"a":3}}\n`)
    const fields: unknown[] = []
    for await (const message of receiver) fields.push([message.type, message.field('/a')])
    expect(fields).toEqual([
      ['long', undefined],
      ['last', 3],
    ])
    expect(receiver.stats.invalid).toBe(2)
  })

  it('of the pointer "" is the whole payload', () => {
    expect(readPayload('{"a":1}', { fields: [''] }).field('')).toEqual({ a: 1 })
    expect(readPayload(' "text" ', { fields: [''] }).field('')).toBe('text')
    expect(readPayload('7', { fields: ['', '/0'] }).field('/0')).toBeUndefined()
    const bare = readLines(['{"type":"t"}'], { fields: ['', '/a'] })[0]
    expect([bare?.field(''), bare?.field('/a'), bare?.field('/b')]).toEqual([undefined, undefined, undefined])
  })

  it('is the last of those with the same name, however it is written, with all that is in it', () => {
    expect(fieldOf('{"a":1,"a":2}', '/a')).toBe(2)
    expect(fieldOf('{"a":1,"\\u0061":2}', '/a')).toBe(2)
    expect(fieldOf('{"\\u0061":1,"b":0}', '/a')).toBe(1)
    expect(fieldOf('{"a":{"b":1},"a":5}', '/a/b')).toBeUndefined()
    expect(fieldOf('{"a":{"b":1},"a":{"c":1}}', '/a/b')).toBeUndefined()
    expect(fieldOf('{"a":5,"a":{"b":1}}', '/a/b')).toBe(1)
  })

  it('has a name with any character', () => {
    expect(fieldOf('{"a/b":1,"m~n":2,"~1":3}', '/a~1b')).toBe(1)
    expect(fieldOf('{"a/b":1,"m~n":2,"~1":3}', '/m~0n')).toBe(2)
    expect(fieldOf('{"a/b":1,"m~n":2,"~1":3}', '/~01')).toBe(3)
    expect(fieldOf('{"\\b\\f\\n\\r\\t\\"\\\\\\/":1}', '/\b\f\n\r\t"\\~1')).toBe(1)
    expect(fieldOf('{"é":1}', '/é')).toBe(1)
    expect(fieldOf('{"\\ud83d\\ude00":1}', '/😀')).toBe(1)
    expect(fieldOf('{"\\u20ac":1,"\\ud83d":2,"\\ude00x":3,"\\ud83d\\ud83d":4}', '/€')).toBe(1)
    expect(fieldOf('{"\\ud83d":2}', '/\ufffd')).toBeUndefined()
    const long = 'x'.repeat(100)
    expect(fieldOf(`{"${long}":1,"${'y'.repeat(100)}":2}`, `/${long}`)).toBe(1)
  })

  it('named __proto__ is data', () => {
    expect(fieldOf('{"__proto__":{"x":1}}', '/__proto__/x')).toBe(1)
    expect(fieldOf('{"a":1}', '/__proto__')).toBeUndefined()
    expect(readPayload('{"a":{"__proto__":{"x":1}}}').field('/a/__proto__/x')).toBe(1)
    const value = fieldOf('[{"a":{"__proto__":{"x":1}}}]', '/0/a') as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect({ ...value }).toEqual({})
  })

  it.each(['0', '-0', '1e400', '-1.5e-3', '12345678901234567890', '0.1', '9007199254740993', '1E2'])(
    'is the number %s as JSON.parse reads it',
    (number) => {
      expect(fieldOf(`[0,${number} ]`, '/1')).toBe(JSON.parse(number))
    },
  )

  it('is found in lines that are not ASCII, and in lines of all kinds one after the other', () => {
    const payloads = ['{"a":"é","b":1}', '{"b":2,"a":"x"}', '[]', '{"a":{"b":3},"b":4}', '"ß"', '{"b":5}']
    const lines = payloads.map((payload, i) => `{"id":"${i}","payload":${payload},"extra":"ü","type":"t"}`)
    const many = Array.from({ length: 700 }, (_, i) => lines[i % lines.length] as string)
    const messages = readLines(many, { fields: ['/a', '/b'] })
    const expected = many.map((line) => {
      const { payload } = JSON.parse(line) as { payload: { a?: unknown; b?: unknown } }
      return [payload.a, payload.b]
    })
    expect(messages.map((message) => [message.field('/a'), message.field('/b')])).toEqual(expected)
    // In any order.
    for (const at of [500, 3, 699, 0, 350]) expect(messages[at]?.field('/b')).toEqual(expected[at]?.[1])
  })

  it('that is a string keeps neither its page nor its read alive', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const line = `{"type":"t","payload":{"host":"a name of some length","rest":"${'x'.repeat(2000)}"}}`
    const kept: unknown[] = []
    const read = (): void => {
      kept.push(
        ...readLines(Array<string>(50).fill(line), { fields: ['/host'] }).map((each) => each.field('/host')),
      )
    }
    read()
    collect()
    const before = process.memoryUsage()
    for (let i = 0; i < 200; ++i) read()
    collect()
    const after = process.memoryUsage()
    expect(after.heapUsed - before.heapUsed).toBeLessThan(4 << 20)
    expect(new Set(kept)).toEqual(new Set(['a name of some length']))
  })
})

describe('the option fields', () => {
  async function make(fields: unknown): Promise<unknown> {
    const { server } = await connectedPair()
    return new Receiver(server, 'r', { fields } as ReceiverOptions)
  }

  it.each([
    ['/a', TypeError, 'a list of JSON Pointers, not "/a"'],
    [[], RangeError, '1 to 16 JSON Pointers, not 0'],
    [Array.from({ length: 17 }, (_, i) => `/${i}`), RangeError, '1 to 16 JSON Pointers, not 17'],
    [['a'], TypeError, 'must be a JSON Pointer'],
    [['/a~2'], TypeError, 'must be a JSON Pointer'],
    [['/a~'], TypeError, 'must be a JSON Pointer'],
    [['/\ud83d'], TypeError, 'must be a JSON Pointer'],
    [[7], TypeError, 'must be a JSON Pointer, not 7'],
    [['/a', '/b', '/a'], TypeError, '"/a" twice'],
    [[`/${'a'.repeat(1024)}`], RangeError, 'at most 1024 characters'],
    [['/a'.repeat(256)], RangeError, '255 parts'],
  ])('%j is refused', async (fields, kind, text) => {
    const error = await make(fields).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(kind)
    expect((error as Error).message).toContain(`Receiver: fields`)
    expect((error as Error).message).toContain(text)
  })

  it('takes 16 pointers, as deep as a payload may be', () => {
    const deep = '/a'.repeat(254)
    const pointers = [deep, ...Array.from({ length: 15 }, (_, i) => `/${'b'.repeat(i)}`)]
    const payload = `{"":0,"bbb":3,"a":`.padEnd(18) + `{"a":`.repeat(253) + '9' + '}'.repeat(254)
    const message = readPayload(payload, { fields: pointers })
    expect(pointers.map((pointer) => message.field(pointer))).toEqual(
      pointers.map((pointer) => newSOCMessage('t', rawJSON(payload)).field(pointer)),
    )
    expect(message.field(deep)).toBe(9)
  })

  it('works in next(), batches() and the messages of an AcknowledgingReceiver', async () => {
    const fields = ['/n', '/host/name']
    const values = (message: SOCMessage): unknown => fields.map((pointer) => message.field(pointer))
    const { client, server } = await connectedPair()
    const out = new Sender(client, 's')
    const receiver = new Receiver(server, 'r', { fields })
    const expected = Array.from({ length: 3000 }, (_, n) => [n, `host-${n}`])
    const messages = expected.map(([n, name]) => newSOCMessage('soc_event', { host: { name }, n }))
    void out.sendBatch(messages)
    const seen: unknown[] = []
    while (seen.length < 10) seen.push(values((await receiver.next()).value as SOCMessage))
    for await (const batch of receiver.batches()) {
      seen.push(...batch.map(values))
      if (seen.length === 3000) break
    }
    expect(seen).toEqual(expected)

    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const acknowledged = sender(directory)
    for (const message of messages.slice(0, 100)) void acknowledged.send(message)
    const second = new AcknowledgingReceiver(await listener.accept(), 'r', { fields })
    const again: unknown[] = []
    for await (const message of second) {
      again.push(values(message))
      if (again.length === 100) break
    }
    expect(again).toEqual(expected.slice(0, 100))
  })

  it('holds for lines that arrive in pieces, after invalid ones, and without a newline at the end', async () => {
    const { raw, receiver } = await rawToReceiver({ fields: ['/a'], onInvalid: 'skip' })
    const bytes = Buffer.from(
      '{"type":"t","payload":{"a":1}}\nbad\n{"type":"t","payload":{"a":{}}}\n{"type":"t","payload":{"a":"3"}}',
    )
    for (const byte of bytes) {
      raw.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    raw.end()
    const seen: unknown[] = []
    for await (const message of receiver) seen.push(message.field('/a'))
    expect(seen).toEqual([1, {}, '3'])
    expect(receiver.stats.invalid).toBe(1)
  })

  it('leaves other pointers to the payload', () => {
    const message = readPayload('{"a":1,"b":[2]}', { fields: ['/a'] })
    expect([message.field('/b/0'), message.field('/c')]).toEqual([2, undefined])
    expect(() => message.field('b')).toThrow(TypeError)
  })
})
