// JSON whose names have escapes: read with the names that it has, whatever was parsed before (nodejs/node#63785).

import { describe, expect, it } from 'vitest'

import { hasEscapedName, parseEscapedNames, parseJson } from '../../../lib/base/json.js'
import { JsonStrings } from '../../../lib/base/json-strings.js'
import { parseExact } from '../../../lib/message/exact-integers.js'
import { readMeta } from '../../../lib/message/meta.js'
import { parsePayload } from '../../../lib/message/payload.js'
import { messageOf } from '../../../lib/services/ndjson.js'
import { RecordFlag } from '../../../lib/binding/abi.js'
import { readLines, recordFlags } from '../../support/read-lines.js'

/** What makes V8 take the second name for the first, the text that has the second, and its names. */
const CONFUSED: readonly [string, string, readonly string[]][] = [
  ['{"h":[],"\\\\":0}', '{"h":1,"\\n":2}', ['h', '\n']],
  ['{"g":[],"\\\\":0}', '{"g":1,"\\"":2}', ['g', '"']],
  ['{"user":[],"r\\\\u0":0}', '{"user":1,"r\\u006fle":"admin"}', ['user', 'role']],
]

const READERS: readonly [string, (text: string) => object][] = [
  ['parseJson', (text) => parseJson(text) as object],
  ['parsePayload', (text) => parsePayload(text) as object],
  ['parseExact', (text) => parseExact(text) as object],
  ['the payload of a received message', (text) => payloadOf(text)],
  ['a field of a received message', (text) => fieldOf(text)],
  ['meta', (text) => readMeta(`{"type":"t","x":${text}}`)['x'] as object],
  [
    'a line of the command line tool',
    (text) => messageOf(`{"payload":${text},"type":"t"}`).payload as object,
  ],
]

function payloadOf(text: string): object {
  const [message] = readLines([`{"type":"t","payload":${text}}`])
  return message?.payload as object
}

function fieldOf(text: string): object {
  const [message] = readLines([`{"type":"t","payload":{"in":${text}}}`], { fields: ['/in'] })
  return message?.field('/in') as object
}

describe.each(READERS)('%s', (_name, read) => {
  it.each(CONFUSED)('after %s, reads the names of %s', (before, text, names) => {
    for (let i = 0; i < 20; ++i) {
      read(before)
      expect(Object.keys(read(text))).toEqual(names)
    }
  })

  it('lets the last of two equal names count, however they are written', () => {
    for (let i = 0; i < 20; ++i) {
      read('{"a":[],"\\\\u006":0}')
      expect(read('{"a":1,"\\u0061":2,"b":[],"a":3}')).toEqual({ a: 3, b: [] })
      expect(read('{"\\ud800":"A","a":"","\\ud800":"\u{10f000}"}')).toEqual({ '\ud800': '\u{10f000}', a: '' })
    }
  })
})

describe('parsing with names replaced', () => {
  it.each([
    '{}',
    '[]',
    '"\\n"',
    '1',
    '{"a\\n":{"b\\"":[{"c\\\\":1},{}]}, "2" : 3 , "1":{"n0":"\\"x\\":"}}',
    '[{"\\u0031":1,"0":2,"x":3,"\\u0030":4}]',
    '{"a\\tb"\n\t\r :"c\\td\\":","":0,"\\u0000":null}',
    '{"__proto__":{"\\u005f_proto__":1},"toString":2,"\\u0074oString":3}',
  ])('gives %s the value that it has, in its order', (text) => {
    // No other text has been parsed that V8 could take it for.
    const expected = JSON.parse(text) as unknown
    expect(parseEscapedNames(text)).toEqual(expected)
    expect(JSON.stringify(parseEscapedNames(text))).toBe(JSON.stringify(expected))
  })

  it('never changes a prototype', () => {
    const value = parseEscapedNames('{"\\u005f_proto__":{"admin":true}}') as { admin?: unknown }
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value.admin).toBeUndefined()
    expect(Object.keys(parsePayload('{"\\u005f_proto__":1,"\\n":2}') as object)).toEqual(['\n'])
  })

  it.each(['{"a\\n":1', '{"a\\x":1}', '{"a\\n" 1}', '{"a\n\\n":1}', '{"a\\n', '["a\\n":1]', '{"\\n":1}}'])(
    'refuses %j',
    (text) => {
      expect(() => parseEscapedNames(text)).toThrow(SyntaxError)
      expect(() => parseJson(text)).toThrow(SyntaxError)
    },
  )

  it('hands all values to be revived, integers beyond 2^53 too', () => {
    expect(parseExact('{"a\\n":[12345678901234567890,{"\\"":-12345678901234567890}],"b":1}')).toEqual({
      'a\n': [12345678901234567890n, { '"': -12345678901234567890n }],
      b: 1,
    })
  })

  it('describes the text itself in errors', () => {
    const errorOf = (parse: () => unknown): string => {
      try {
        parse()
      } catch (error) {
        return String(error)
      }
      return 'none'
    }
    for (const text of ['{"some long name\\n":1,"x":oops}', '{"a":1,"bb":22,"c\\n":3,"b\\x":4}']) {
      expect(errorOf(() => parseEscapedNames(text))).toBe(errorOf(() => JSON.parse(text) as unknown))
    }
  })

  it.each<[string, (count: number) => string, (text: string) => unknown]>([
    [
      'many names',
      (count) => `{${Array.from({ length: count }, (_, i) => `"\\n${i}":"\\\\\\""`).join(',')}}`,
      parseEscapedNames,
    ],
    ['many objects', (count) => `[${'{"\\n":1,"a":[{}]},'.repeat(count)}1]`, parseEscapedNames],
    ['long integers', (count) => `["\\"",${'12345678901234567890,'.repeat(count)}"x"]`, parseExact],
  ])('takes time in proportion to the text: %s', (_what, textOf, parse) => {
    const time = (count: number): number => {
      const text = textOf(count)
      const begin = process.cpuUsage()
      parse(text)
      const { user, system } = process.cpuUsage(begin)
      return user + system
    }
    time(1000)
    const small = Math.min(time(2000), time(2000), time(2000))
    expect(time(40_000)).toBeLessThan(small * 20 * 4)
  })
})

describe('an escaped name', () => {
  it.each([
    ['{"a":"\\n"}', false],
    ['{"a":"\\"b\\":"}', false],
    ['{"a\\n":1}', true],
    ['[{"a":"\\\\"},{"b" :1,"\\u0063" \t:1}]', true],
    ['"\\n"', false],
    ['{}', false],
  ])('is found in %s: %s', (text, found) => {
    expect(hasEscapedName(text)).toBe(found)
  })
})

describe('the addon finds that no name has an escape', () => {
  const long = 'x'.repeat(200)
  it.each([
    ['{"a":"b","c":[1,{"d":{}}]}', true],
    ['{"a":"\\n","b":{"c":"\\\\"}}', true],
    [`{"a":"${long}\\n${long}","b":["\\"]",{"c":"\\u0041:"}],"d":1}`, true],
    ['["\\n"]', true],
    ['"\\n"', true],
    ['{"a":"\\\\" ,"b": "\\":\\""}', true],
    ['{"a\\n":1}', false],
    ['{"\\u0061":1}', false],
    ['{"a":"\\n","b\\"" :1}', false],
    [`{"${long}\\u0061":1}`, false],
    [`{"a":"${long}\\n","b":[[{"c":"\\t"},{"d":"\\t","e\\\\":{}}]]}`, false],
    ['{"__proto__":1}', false],
  ])('in a payload %s: %s', (payload, plain) => {
    const flagOf = (line: string): boolean => (recordFlags(line) & RecordFlag.plainNames) !== 0
    expect(JSON.parse(payload)).toBeDefined()
    expect(flagOf(`{"type":"t","id":"1","ts":1,"payload":${payload}}`)).toBe(plain)
    expect(flagOf(`{"payload":${payload} ,"type":"t\\n"}`)).toBe(plain)
  })
})

describe('the strings of a text', () => {
  it('are found with their escapes', () => {
    const text = '{"a":"\\"","b\\\\":["", "c\\\\\\"d"]} "open\\"'
    const strings = new JsonStrings(text)
    const found: [string, boolean][] = []
    while (strings.next()) found.push([text.slice(strings.begin, strings.end), strings.escaped])
    expect(found).toEqual([
      ['"a"', false],
      ['"\\""', true],
      ['"b\\\\"', true],
      ['""', false],
      ['"c\\\\\\"d"', true],
      ['"open\\"', true],
    ])
  })
})
