// Integers beyond 2^53: rounded as JSON.parse does, or exact on request.

import { describe, expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { parseExact, stringifyExact } from '../../../lib/message/exact-integers.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { connectedPair } from '../../support/pair.js'
import { readPayload } from '../../support/read-lines.js'

const exact = { integers: 'bigint', fields: ['/id', '/list'] } as const

describe('integers', () => {
  it('are numbers by default, as JSON.parse reads them', () => {
    const message = readPayload('{"id":12345678901234567890}', { fields: ['/id'] })
    expect(message.payload).toEqual({ id: 12345678901234567000 })
    expect(message.field('/id')).toBe(12345678901234567000)
  })

  it('beyond 2^53 are BigInts on request, in the payload and in fields', () => {
    const message = readPayload(
      '{"id":12345678901234567890,"list":[-9007199254740993,9007199254740991,9007199254740992,1.0000000000000001,1e30],"n":5}',
      exact,
    )
    const list = [-9007199254740993n, 9007199254740991, 9007199254740992n, 1.0000000000000001, 1e30]
    expect(message.payload).toEqual({ id: 12345678901234567890n, list, n: 5 })
    expect(message.field('/id')).toBe(12345678901234567890n)
    expect(message.field('/list')).toEqual(list)
    expect(message.field('/list/0')).toBe(-9007199254740993n)
    expect(message.rawPayload).toContain('12345678901234567890')
  })

  it('are found alone, at the root, and in a message whose other numbers are short', () => {
    expect(readPayload('12345678901234567890', exact).payload).toBe(12345678901234567890n)
    expect(readPayload('[1,2]', exact).payload).toEqual([1, 2])
    expect(readPayload('"12345678901234567890"', exact).payload).toBe('12345678901234567890')
  })

  it('in strings, names, fractions and exponents stay what they are', () => {
    for (const text of [
      '{"12345678901234567890":"12345678901234567890"}',
      '["\\"12345678901234567890",":12345678901234567890,","\\\\",1]',
      '["a\\\\\\"12345678901234567890\\\\"]',
      '[0.12345678901234567890,1e-12345678901234567890,12345678901234567890.5,12345678901234567890e1,1e+00000000000000000001]',
    ]) {
      expect(parseExact(text)).toEqual(JSON.parse(text))
    }
    expect(parseExact('["\\\\",12345678901234567890,"\\"",12345678901234567891,"x"]')).toEqual([
      '\\',
      12345678901234567890n,
      '"',
      12345678901234567891n,
      'x',
    ])
  })

  it('cannot be forged by text that looks like the mark', () => {
    const marked = stringifyExact({ a: 12345678901234567890n, b: 'bigint 12 34', c: [1n, undefined] })
    expect(marked).toBe('{"a":12345678901234567890,"b":"bigint 12 34","c":[1,null]}')
    expect(parseExact('["bigint 00 1",12345678901234567890]')).toEqual(['bigint 00 1', 12345678901234567890n])
    expect(stringifyExact(undefined)).toBeUndefined()
  })

  it('keep a key __proto__ as data', () => {
    const value = parseExact('{"__proto__":{"x":12345678901234567890}}') as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.getOwnPropertyDescriptor(value, '__proto__')?.enumerable).toBe(false)
  })

  it('take time in proportion to the text, however many strings or digits it has', () => {
    const costOf = (scale: number): number => {
      const text = `[${'"x",'.repeat(50_000 * scale)}${'12345678901234567890,'.repeat(1250 * scale)}1]`
      const begin = process.cpuUsage()
      parseExact(text)
      expect(parseExact(`[${'1'.repeat(250_000 * scale)}]`)).toEqual([Infinity])
      parseExact(`[${`${'1'.repeat(1000)},`.repeat(250 * scale)}1]`)
      return process.cpuUsage(begin).user
    }
    costOf(1) // compiles
    const once = Math.min(costOf(1), costOf(1))
    // Sixteen times as much if it grew with the square.
    expect(Math.min(costOf(4), costOf(4))).toBeLessThan(9 * once)
  })

  it('are exact in what a request gets for a reply', async () => {
    const { client, server } = await connectedPair()
    const asking = new Endpoint(client, 'a', { receiver: { integers: 'bigint' } })
    const replying = new Endpoint(server, 'r')
    replying.respond('luid', () => ({ wide: JSON.parse('1e20') as number }))
    const reply = await asking.request('luid')
    expect(reply.payload).toEqual({ wide: 100000000000000000000n })
    await asking.close()
    await replying.close()
  })

  it('refuses another kind', () => {
    expect(() => readPayload('1', { integers: 'big' as 'bigint' })).toThrow(
      'integers must be one of "number", "bigint"',
    )
    expect(newSOCMessage('t', 1).payload).toBe(1)
  })
})
