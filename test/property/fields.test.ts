// Whatever a payload holds, a field read natively has the value that JSON.parse of the payload has there.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseJson } from '../../lib/base/json.js'
import { parseExact } from '../../lib/message/exact-integers.js'
import { valueAt } from '../../lib/message/json-pointer.js'
import { parsePayload } from '../../lib/message/payload.js'
import { readLines } from '../support/read-lines.js'

/** Names that meet each other in all ways: as part of one another, as indexes, in need of escapes. */
const name = fc.constantFrom(
  ...[
    'a',
    'b',
    'ab',
    '',
    '0',
    '1',
    '01',
    '-',
    '/',
    '~',
    '~1',
    'é',
    '😀',
    '"',
    '\\',
    '\n',
    '__proto__',
    'length',
  ],
  ...['a'.repeat(62), 'a'.repeat(63), 'a'.repeat(64), '\u0000', '\ud800'],
)
const scalar = fc.oneof(
  fc.constantFrom('0', '-0', '1e2', '-1.5', '9007199254740993', '12345678901234567890', '0.1e-7', '1e400'),
  fc.constantFrom('true', 'false', 'null', '""', '{}', '[ ]'),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
)
const blank = fc.constantFrom('', '', '', ' ', '\t', '  ')

/** Each character of a name may be written as an escape. */
function spelled(text: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(text)
  const units = Array.from({ length: text.length }, (_, i) =>
    text.charCodeAt(i).toString(16).padStart(4, '0'),
  )
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`
}

/** JSON text, not values: with duplicate names, blanks and escapes that no encoder writes. */
const { json } = fc.letrec<{ json: string; object: string; array: string }>((tie) => ({
  json: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('object'), tie('array')),
  object: fc
    .array(fc.tuple(name, fc.boolean(), blank, tie('json')), { minLength: 1, maxLength: 6 })
    .map(
      (members) =>
        `{${members.map(([key, escaped, space, value]) => `${space}${spelled(key, escaped)}${space}:${value}${space}`).join(',')}}`,
    ),
  array: fc
    .array(fc.tuple(tie('json'), blank), { minLength: 1, maxLength: 5 })
    .map((items) => `[${items.map(([item, space]) => item + space).join(',')}]`),
}))

const pointer = fc
  .array(name, { maxLength: 4 })
  .map((tokens) => tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''))
  .filter((text) => text.isWellFormed())

const fields = fc.uniqueArray(pointer, { minLength: 1, maxLength: 16 })

describe('a field', () => {
  it('is what JSON.parse of the payload has there, and undefined where it has nothing', () => {
    fc.assert(
      fc.property(fc.array(json, { minLength: 1, maxLength: 8 }), fields, (payloads, pointers) => {
        const lines = payloads.map((payload) => `{"type":"t","id":"1","ts":1,"payload":${payload}}`)
        const messages = readLines(lines, { fields: pointers })
        for (const [i, payload] of payloads.entries()) {
          const value = parsePayload(payload)
          for (const each of pointers) expect(messages[i]?.field(each), each).toEqual(valueAt(value, each))
        }
      }),
      { numRuns: 400 },
    )
  })

  it('has exact integers on request, as the payload has', () => {
    fc.assert(
      fc.property(json, fields, (payload, pointers) => {
        const [message] = readLines([`{"type":"t","payload":${payload}}`], {
          fields: pointers,
          integers: 'bigint',
        })
        const value = parseExact(payload)
        expect(message?.payload).toEqual(value)
        for (const each of pointers) expect(message?.field(each), each).toEqual(valueAt(value, each))
      }),
      { numRuns: 200 },
    )
  })
})

describe('an exact integer', () => {
  it('is the only difference from JSON.parse', () => {
    const rounded = (value: unknown): unknown => {
      if (typeof value === 'bigint') return Number(value)
      if (typeof value !== 'object' || value === null) return value
      for (const key of Object.getOwnPropertyNames(value)) {
        if (key === 'length' && Array.isArray(value)) continue
        const part = rounded((value as Record<string, unknown>)[key])
        Object.defineProperty(value, key, {
          value: part,
          enumerable: true,
          configurable: true,
          writable: true,
        })
      }
      return value
    }
    fc.assert(
      fc.property(json, (payload) => {
        expect(rounded(parseExact(payload))).toEqual(parseJson(payload))
      }),
      { numRuns: 400 },
    )
  })
})
