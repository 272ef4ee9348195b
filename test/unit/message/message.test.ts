// SOCMessage: lazy payloads, JSON, raw payloads and keys that could change a prototype.

import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'

import { checkFrameSize, MAX_MESSAGE_BYTES } from '../../../lib/message/envelope.js'
import { SOCMsgType } from '../../../lib/message/type.js'
import { frameOf } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'

const fixed = { id: '1', timestamp: 1_700_000_000 }

describe('newSOCMessage', () => {
  it('numbers messages with rising decimal Unix nanoseconds', () => {
    const ids = Array.from({ length: 5000 }, () => newSOCMessage(SOCMsgType.Event).id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.every((id) => /^[0-9]{19}$/.test(id))).toBe(true)
    expect([...ids].sort()).toEqual(ids)
    expect(Math.abs(Number(BigInt(ids[0] ?? '0') / 1_000_000n) - Date.now())).toBeLessThan(60_000)
  })

  it('stamps whole Unix seconds', () => {
    const { timestamp } = newSOCMessage(SOCMsgType.Event)
    expect(Number.isInteger(timestamp)).toBe(true)
    expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(60)
  })

  it('takes the payload as it is now, not as it is changed later', () => {
    const payload = { n: 1 }
    const message = newSOCMessage(SOCMsgType.Event, payload)
    payload.n = 2
    expect(message.payload).toEqual({ n: 1 })
    expect(message.rawPayload).toBe('{"n":1}')
  })

  it.each([
    ['an empty type', () => newSOCMessage('')],
    ['a type that is no string', () => newSOCMessage(7 as unknown as string)],
    ['an id that is no string', () => newSOCMessage('a', 1, { id: 7 as unknown as string })],
    ['a function', () => newSOCMessage('a', () => 1)],
    ['a BigInt', () => newSOCMessage('a', 1n)],
    ['rawJSON of nothing', () => newSOCMessage('a', rawJSON(''))],
    ['rawJSON with half a surrogate pair', () => newSOCMessage('a', rawJSON('"\ud800"'))],
    ['rawJSON of a number', () => rawJSON(7 as unknown as string)],
  ])('refuses %s with a TypeError', (_what, make) => {
    expect(make).toThrow(TypeError)
  })

  it.each([NaN, 1.5, 2 ** 53])('refuses the timestamp %d with a RangeError', (timestamp) => {
    expect(() => newSOCMessage('a', 1, { timestamp })).toThrow(RangeError)
  })

  it('makes a cycle in the payload the TypeError of JSON.stringify', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    expect(() => newSOCMessage('a', cycle)).toThrow(TypeError)
  })
})

describe('rawJSON', () => {
  it('of another copy of the package is raw JSON too', () => {
    const foreign = { content: '{"x":1}', [Symbol.for('sentinel-ipc.RawJSON')]: true }
    expect(newSOCMessage('a', foreign).rawPayload).toBe('{"x":1}')
  })

  it('takes any Uint8Array', () => {
    const bytes = new TextEncoder().encode('[1]')
    expect(newSOCMessage('a', rawJSON(bytes)).rawPayload).toBe('[1]')
  })
})

describe('the longest message', () => {
  it('is what the scanner of a Go receiver takes', () => {
    expect(MAX_MESSAGE_BYTES).toBe(1_048_575)
  })
})

describe('the wire', () => {
  it.each([
    [
      'an event',
      newSOCMessage('soc_event', { a: 1 }, fixed),
      '{"type":"soc_event","id":"1","ts":1700000000,"payload":{"a":1}}\n',
    ],
    [
      'no payload',
      newSOCMessage('soc_heartbeat', undefined, fixed),
      '{"type":"soc_heartbeat","id":"1","ts":1700000000}\n',
    ],
    [
      'a null payload',
      newSOCMessage('soc_ack', null, fixed),
      '{"type":"soc_ack","id":"1","ts":1700000000,"payload":null}\n',
    ],
    [
      'no id',
      newSOCMessage('soc_ack', 1, { ...fixed, id: '' }),
      '{"type":"soc_ack","ts":1700000000,"payload":1}\n',
    ],
    [
      'a negative time',
      newSOCMessage('soc_ack', 1, { id: 'x', timestamp: -5 }),
      '{"type":"soc_ack","id":"x","ts":-5,"payload":1}\n',
    ],
    [
      'a type of our own',
      newSOCMessage('a"b\n', [], fixed),
      '{"type":"a\\"b\\n","id":"1","ts":1700000000,"payload":[]}\n',
    ],
    [
      'an id with escapes',
      newSOCMessage('a', 'x', { ...fixed, id: '"\u2028' }),
      '{"type":"a","id":"\\"\u2028","ts":1700000000,"payload":"x"}\n',
    ],
    [
      'raw text',
      newSOCMessage('a', rawJSON(' {"x" : 1.0} '), fixed),
      '{"type":"a","id":"1","ts":1700000000,"payload": {"x" : 1.0} }\n',
    ],
  ])('writes %s byte for byte', (_what, message, line) => {
    expect(frameOf(message)).toBe(line)
  })

  it('puts raw bytes between head and tail untouched', () => {
    const bytes = Buffer.from('[1]')
    const frame = frameOf(newSOCMessage('a', rawJSON(bytes), fixed))
    expect(frame).toEqual(['{"type":"a","id":"1","ts":1700000000,"payload":', bytes, '}\n'])
    expect((frame[1] as Buffer).buffer).toBe(bytes.buffer)
  })

  it('writes a default id without escapes', () => {
    const message = newSOCMessage('soc_event', 1, { timestamp: 2 })
    expect(frameOf(message)).toBe(`{"type":"soc_event","id":"${message.id}","ts":2,"payload":1}\n`)
  })
})

describe('SOCMessage', () => {
  it('has the same JSON in toJSON as on the wire', () => {
    expect(JSON.stringify(newSOCMessage('soc_event', { a: 1 }, fixed))).toBe(
      '{"type":"soc_event","id":"1","ts":1700000000,"payload":{"a":1}}',
    )
    expect(JSON.stringify(newSOCMessage('soc_heartbeat', undefined, { id: '', timestamp: 0 }))).toBe(
      '{"type":"soc_heartbeat","ts":0}',
    )
  })

  it('shows its parts to console.log', () => {
    expect(inspect(newSOCMessage('soc_event', { a: 1 }, fixed))).toContain("type: 'soc_event'")
  })

  it('is refused by structuredClone, which would lose its id and payload; toJSON() is not', () => {
    const message = newSOCMessage('soc_event', { a: 1 }, fixed)
    expect(() => structuredClone(message)).toThrow('clone its toJSON() instead')
    expect(structuredClone(message.toJSON())).toEqual({
      type: 'soc_event',
      id: '1',
      ts: fixed.timestamp,
      payload: { a: 1 },
    })
    expect(JSON.stringify(message)).not.toContain('Cloneable')
    expect(inspect(message)).not.toContain('Cloneable')
  })

  it('parses the payload once', () => {
    const message = newSOCMessage('a', { x: [1] })
    expect(message.payload).toBe(message.payload)
  })

  it('reads raw bytes as text', () => {
    const message = newSOCMessage('a', rawJSON(Buffer.from('{"é":1}')))
    expect(message.rawPayload).toBe('{"é":1}')
    expect(message.payload).toEqual({ é: 1 })
  })

  it.each([
    '{"__proto__":{"admin":true},"a":1}',
    '{"\\u005f_proto__":{"admin":true},"a":1}',
    '{"__pr\\u006fto__":{"admin":true},"a":1}',
    '{"__prot\\u006F__":{"admin":true},"a":1}',
    '{"b":[{"__proto__":{"admin":true}}],"a":1}',
  ])('keeps __proto__ data in %s', (text) => {
    const value = newSOCMessage<{ a: number; b?: object[] }>('a', rawJSON(text)).payload
    const inner = value.b?.[0] ?? value
    expect(Object.getOwnPropertyDescriptor(inner, '__proto__')?.value).toEqual({ admin: true })
    for (const copy of [Object.assign({}, inner), { ...inner }, structuredClone(inner), inner]) {
      expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
      expect((copy as { admin?: boolean }).admin).toBeUndefined()
    }
    expect(value.a).toBe(1)
  })
})

describe('checkFrameSize', () => {
  it('takes a line of exactly the limit and refuses one byte more', () => {
    const overhead = '{"type":"a","id":"1","ts":1700000000,"payload":""}'.length
    const fitting = newSOCMessage('a', 'x'.repeat(MAX_MESSAGE_BYTES - overhead), fixed)
    const larger = newSOCMessage('a', 'x'.repeat(MAX_MESSAGE_BYTES - overhead + 1), fixed)
    expect(() => {
      checkFrameSize(frameOf(fitting))
    }).not.toThrow()
    expect(() => {
      checkFrameSize(frameOf(larger))
    }).toThrow(expect.objectContaining({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' }))
  })

  it('counts bytes, not characters', () => {
    const message = newSOCMessage('a', 'é'.repeat(MAX_MESSAGE_BYTES / 2), fixed)
    expect(() => {
      checkFrameSize(frameOf(message))
    }).toThrow(/bytes long/)
  })

  it('counts raw bytes too', () => {
    const message = newSOCMessage('a', rawJSON(Buffer.alloc(MAX_MESSAGE_BYTES, '1')), fixed)
    expect(() => {
      checkFrameSize(frameOf(message))
    }).toThrow(/bytes long/)
  })
})
