// What a receiver takes for a message: the envelope, its keys and values, and payloads that are data whatever they are called.

import { describe, expect, it } from 'vitest'

import type { SOCMessage } from '../../../lib/message/message.js'
import { rawToReceiver } from '../../support/pair.js'

const good = '{"type":"soc_event","id":"7","ts":5,"payload":{"a":1}}'

function parts(message: SOCMessage | undefined): unknown {
  return [message?.type, message?.id, message?.timestamp, message?.rawPayload]
}

describe('what a line may be', () => {
  it.each<[string, string, unknown[]]>([
    ['an envelope in our order', good, ['soc_event', '7', 5, '{"a":1}']],
    [
      'keys in another order',
      '{"payload":[1],"ts":-3,"id":"x","type":"soc_ack"}',
      ['soc_ack', 'x', -3, '[1]'],
    ],
    [
      'blanks between everything',
      '\t{ "type" : "soc_incident" , "ts" : 1 , "payload" : { "a" : [ ] } } ',
      ['soc_incident', '', 1, '{ "a" : [ ] }'],
    ],
    ['only a type', '{"type":"soc_heartbeat"}', ['soc_heartbeat', '', 0, undefined]],
    ['an unknown type', '{"type":"custom","payload":null}', ['custom', '', 0, 'null']],
    ['unknown keys', '{"x":{"type":"no"},"type":"a","y":[[]]}', ['a', '', 0, undefined]],
    [
      'escapes in type, id and keys',
      '{"\\u0074ype":"soc\\u005fevent","id":"\\"\\u00e9","ts":1}',
      ['soc_event', '"é', 1, undefined],
    ],
    ['text that is not ASCII', '{"type":"a","id":"é","payload":"日本"}', ['a', 'é', 0, '"日本"']],
    [
      'numbers of any size',
      '{"type":"a","payload":[123456789012345678901234567890,1e400,-0.0E-1]}',
      ['a', '', 0, '[123456789012345678901234567890,1e400,-0.0E-1]'],
    ],
    ['lone surrogates as escapes', '{"type":"a","payload":"\\ud800"}', ['a', '', 0, '"\\ud800"']],
    ['the largest ts', '{"type":"a","ts":9007199254740991}', ['a', '', Number.MAX_SAFE_INTEGER, undefined]],
    ['the smallest ts', '{"type":"a","ts":-9007199254740991}', ['a', '', Number.MIN_SAFE_INTEGER, undefined]],
    ['ts minus zero', '{"type":"a","ts":-0}', ['a', '', 0, undefined]],
    ['keys that are nearly ours', '{"typ":"b","type":"a","tss":1,"t":2,"Types":3}', ['a', '', 0, undefined]],
    [
      'our keys in another case below',
      '{"type":"a","payload":{"Type":1,"ID":2}}',
      ['a', '', 0, '{"Type":1,"ID":2}'],
    ],
    [
      'nesting to the limit',
      `{"type":"a","payload":${'['.repeat(255)}${']'.repeat(255)}}`,
      ['a', '', 0, `${'['.repeat(255)}${']'.repeat(255)}`],
    ],
  ])('takes %s', async (_what, line, expected) => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(`${line}\n`)
    expect(parts((await receiver.next()).value)).toEqual(expected)
    expect((await receiver.next()).done).toBe(true)
  })
})

describe('a payload with a key __proto__', () => {
  const polluting = [
    '{"__proto__":{"admin":true},"a":1}',
    '{"a":1,"__proto__":{"admin":true}}',
    '{"a":1,"b":{"__proto__":{"admin":true}}}',
    '{"a":1,"b":[[{"c":2,"__proto__":{"admin":true}}]]}',
    '{"a":1,"b":{"c":1}, "__proto__" : {"admin":true}}',
    '{"\\u005f_proto__":{"admin":true},"a":1}',
    '{"_\\u005Fproto__":{"admin":true},"a":1}',
    '{"a":1,"__pr\\u006fto__":{"admin":true}}',
  ]
  const lines = polluting.flatMap((payload) => [
    `{"type":"soc_event","id":"7","ts":5,"payload":${payload}}`,
    `{"payload":${payload},"type":"a"}`,
  ])

  it.each(lines)('keeps it data: %s', async (line) => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(`${good}\n${line}\n`)
    await receiver.next()
    const { value } = await receiver.next()
    const keepers: object[] = []
    const search = (item: unknown): void => {
      if (typeof item !== 'object' || item === null) return
      if (Object.hasOwn(item, '__proto__')) keepers.push(item)
      Object.values(item).forEach(search)
    }
    search(value?.payload)
    expect(keepers.length).toBe(1)
    for (const keeper of keepers) {
      expect(Object.getOwnPropertyDescriptor(keeper, '__proto__')).toMatchObject({
        value: { admin: true },
        enumerable: false,
      })
      expect(({ ...keeper } as { admin?: boolean }).admin).toBeUndefined()
    }
  })
})
