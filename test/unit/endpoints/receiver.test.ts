// Receiver: lines cut anywhere, invalid lines, limits, back-pressure and iteration.

import { describe, expect, it } from 'vitest'

import { MAX_MESSAGE_BYTES } from '../../../lib/message/envelope.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { connectedPair, rawToReceiver } from '../../support/pair.js'
import { self } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

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

describe('a line that is no message', () => {
  it.each<[string, string | Buffer, string]>([
    ['no JSON', 'nonsense', 'not-json'],
    ['half an object', '{"type":"a"', 'not-json'],
    ['more after the object', '{"type":"a"}{"type":"b"}', 'not-json'],
    ['a comma too much', '{"type":"a",}', 'not-json'],
    ['a member without a value', '{"type":"a","x":}', 'not-json'],
    ['a member without a colon', '{"type" "a"}', 'not-json'],
    ['a name that is no string', '{1:"a"}', 'not-json'],
    ['single quotes', "{'type':'a'}", 'not-json'],
    ['a wrong literal', '{"type":"a","payload":nul}', 'not-json'],
    ['a literal with a tail', '{"type":"a","payload":truex}', 'not-json'],
    ['a number with a leading zero', '{"type":"a","payload":01}', 'not-json'],
    ['a number that ends in a point', '{"type":"a","payload":1.}', 'not-json'],
    ['a bare minus', '{"type":"a","payload":-}', 'not-json'],
    ['an escape that is none', '{"type":"a","payload":"\\x"}', 'not-json'],
    ['a unicode escape cut short', '{"type":"a","payload":"\\u12"}', 'not-json'],
    ['a string that does not close', '{"type":"a","payload":"x}', 'not-json'],
    ['a NUL byte', '{"type":"a","payload":"\0"}', 'not-json'],
    ['a NUL byte between', '{"type":"a"\0}', 'not-json'],
    ['a tab in a string', '{"type":"a","payload":"\t"}', 'not-json'],
    ['a byte order mark', '\ufeff{"type":"a"}', 'not-json'],
    ['a key in another case', '{"Type":"b","type":"a"}', 'ambiguous-key'],
    ['only a key in another case', '{"TYPE":"a"}', 'ambiguous-key'],
    ['ts in another case', '{"type":"a","tS":1}', 'ambiguous-key'],
    ['id in another case', '{"type":"a","iD":"1"}', 'ambiguous-key'],
    ['payload in another case', '{"type":"a","payload":1,"PayLoad":2}', 'ambiguous-key'],
    ['a key with a long s', '{"type":"a","ts":1,"t\u017f":2}', 'ambiguous-key'],
    ['a key in another case by escapes', '{"type":"a","\\u0054ype":"b"}', 'ambiguous-key'],
    ['a key with a long s by an escape', '{"type":"a","t\\u017F":2}', 'ambiguous-key'],
    ['a key with a long s behind an escape', '{"type":"a","\\u0074\u017f":2}', 'ambiguous-key'],
    ['mismatched brackets', '{"type":"a","payload":[}]}', 'not-json'],
    ['only blanks', '   ', 'not-json'],
    ['a bare array', '[1]', 'not-an-object'],
    ['a bare string', '"type"', 'not-an-object'],
    ['an empty object', '{}', 'type-missing'],
    ['no type', '{"id":"a"}', 'type-missing'],
    ['an empty type', '{"type":""}', 'type-missing'],
    ['a type that is null', '{"type":null}', 'type-not-a-string'],
    ['a type that is an object', '{"type":{"type":"a"}}', 'type-not-a-string'],
    ['an id that is a number', '{"type":"a","id":1}', 'id-not-a-string'],
    ['a ts that is a string', '{"type":"a","ts":"1"}', 'ts-not-an-integer'],
    ['a ts with a fraction', '{"type":"a","ts":1.0}', 'ts-not-an-integer'],
    ['a ts with an exponent', '{"type":"a","ts":1e3}', 'ts-not-an-integer'],
    ['a ts of 2^53', '{"type":"a","ts":9007199254740992}', 'ts-not-an-integer'],
    ['a ts of 30 digits', '{"type":"a","ts":123456789012345678901234567890}', 'ts-not-an-integer'],
    ['type twice', '{"type":"a","type":"a"}', 'duplicate-key'],
    ['payload twice', '{"type":"a","payload":1,"payload":1}', 'duplicate-key'],
    ['type twice, once in escapes', '{"type":"a","\\u0074\\u0079\\u0070\\u0065":"b"}', 'duplicate-key'],
    ['bytes that are not UTF-8', Buffer.from('{"type":"a","payload":"\xff"}', 'latin1'), 'not-utf8'],
    ['an overlong encoding', Buffer.from('{"type":"a","payload":"\xc0\x80"}', 'latin1'), 'not-utf8'],
    ['an encoded surrogate', Buffer.from('{"type":"a","payload":"\xed\xa0\x80"}', 'latin1'), 'not-utf8'],
    ['nesting beyond the limit', `{"type":"a","payload":${'['.repeat(256)}${']'.repeat(256)}}`, 'too-deep'],
    ['a depth bomb', '['.repeat(100_000), 'too-deep'],
  ])('%s: a clear error, and the next line is delivered', async (_what, line, reason) => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(Buffer.concat([Buffer.from(`${good}\n`), Buffer.from(line), Buffer.from(`\n${good}\n`)]))
    expect((await receiver.next()).value?.id).toBe('7')
    const error = await rejectionOf(receiver.next())
    expect(error).toMatchObject({ name: 'IpcError', code: 'ERR_IPC_INVALID_MESSAGE', reason })
    expect((await receiver.next()).value?.id).toBe('7')
    expect((await receiver.next()).done).toBe(true)
    expect(receiver.stats).toMatchObject({ received: 2, invalid: 1 })
  })

  it('shows where and what, escaped and cut short', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(`{"type":"\x1b[31mred\x7f${'x'.repeat(500)}"}\n{"type":"a","payload":[1,2,x]}\n`)
    const first = (await rejectionOf(receiver.next())) as Error & { sample: string }
    expect(first.message).toMatch(/^[\x20-\x7e]*$/)
    expect(first.sample).toContain('\\u001b[31mred\\u007f')
    expect(first.message.length).toBeLessThan(400)
    expect(await rejectionOf(receiver.next())).toMatchObject({ offset: 27 })
  })

  it('is only counted with onInvalid skip', async () => {
    const { raw, receiver } = await rawToReceiver({ onInvalid: 'skip' })
    raw.end(`bad\n${good}\nworse\n\n${good}\n`)
    const ids = []
    for await (const message of receiver) ids.push(message.id)
    expect(ids).toEqual(['7', '7'])
    expect(receiver.stats).toMatchObject({ received: 2, invalid: 2 })
  })

  it('ends the connection after maxInvalid of them', async () => {
    const { raw, receiver, server } = await rawToReceiver({ onInvalid: 'skip', maxInvalid: 3 })
    raw.write('a\nb\nc\n')
    await until(() => receiver.stats.invalid === 3)
    expect(server.closed).toBe(false)
    raw.write('d\n')
    await server.whenClosed()
    expect(receiver.stats.invalid).toBe(4)
  })
})

describe('the offset of an invalid line', () => {
  const head = '{"type":"e","payload":"' + 'a'.repeat(84)

  it.each<[string, string | Buffer, string, number]>([
    ['a byte that is not UTF-8', Buffer.from(`${head}\xe9b"}`, 'latin1'), 'not-utf8', 107],
    [
      'half a character',
      Buffer.concat([Buffer.from(head), Buffer.from([0xe2, 0x82]), Buffer.from('"}')]),
      'not-utf8',
      107,
    ],
    ['an encoded surrogate', Buffer.from(`${head}\xed\xa0\x80"}`, 'latin1'), 'not-utf8', 107],
    ['a tab', `${head}\tb"}`, 'not-json', 107],
    ['a NUL behind an escaped quote', `${head}\\"\0b"}`, 'not-json', 109],
    ['a string that does not close', head, 'not-json', 22],
    ['an escape that is none', `${head}\\x"}`, 'not-json', 107],
    ['the second type', '{"type":"a","type":"b"}', 'duplicate-key', 12],
    ['a key in another case', '{"type":"a","Type":"b"}', 'ambiguous-key', 12],
    ['a type that is a number', '{"type":1}', 'type-not-a-string', 8],
    ['a ts with a fraction', '{"type":"a","ts":0.5}', 'ts-not-an-integer', 17],
    ['a level too many', `{"type":"a","payload":${'['.repeat(256)}${']'.repeat(256)}}`, 'too-deep', 22 + 255],
  ])('is right for %s', async (_what, line, reason, offset) => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(Buffer.concat([Buffer.from(`${good}\n`), Buffer.from(line), Buffer.from(`\n${good}\n`)]))
    await receiver.next()
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason, offset })
  })

  it('is the end of a line that was cut short', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end('{"type":"a","payl')
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason: 'truncated', offset: 17 })
  })

  it('is where a line became too long', async () => {
    const { raw, receiver } = await rawToReceiver({ maxMessageBytes: 100 })
    raw.write(`${'x'.repeat(300)}\n`)
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason: 'too-large', offset: 100 })
    raw.write('x'.repeat(300))
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason: 'too-large', offset: 100 })
  })
})

describe('a byte order mark', () => {
  const mark = Buffer.from([0xef, 0xbb, 0xbf])

  it.each([0, 1, 2, 3, 10])(
    'at the start of a stream is skipped and counted, cut after %i bytes',
    async (cut) => {
      const { raw, receiver } = await rawToReceiver()
      const bytes = Buffer.concat([mark, Buffer.from(`${good}\n${good}\n`)])
      raw.setNoDelay()
      raw.write(bytes.subarray(0, cut))
      await until(() => receiver.stats.bytes === cut)
      raw.end(bytes.subarray(cut))
      expect(parts((await receiver.next()).value)).toEqual(['soc_event', '7', 5, '{"a":1}'])
      expect((await receiver.next()).value?.id).toBe('7')
      expect(receiver.stats).toMatchObject({ byteOrderMarks: 1, invalid: 0, received: 2 })
    },
  )

  it('in front of a last line without a newline is skipped too', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(Buffer.concat([mark, Buffer.from(good)]))
    expect((await receiver.next()).value?.id).toBe('7')
    expect(receiver.stats.byteOrderMarks).toBe(1)
  })

  it.each([0, 4])('in front of an empty line is counted, cut after %i bytes', async (cut) => {
    const { raw, receiver } = await rawToReceiver()
    const bytes = Buffer.concat([mark, Buffer.from(`\n${good}\n`)])
    raw.setNoDelay()
    raw.write(bytes.subarray(0, cut))
    await until(() => receiver.stats.bytes === cut)
    raw.end(bytes.subarray(cut))
    expect((await receiver.next()).value?.id).toBe('7')
    expect(receiver.stats).toMatchObject({ byteOrderMarks: 1, invalid: 0, received: 1 })
  })

  it('at the start of another line is invalid', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.write(`${good}\n`)
    expect((await receiver.next()).value?.id).toBe('7')
    raw.end(Buffer.concat([mark, Buffer.from(`${good}\n`)]))
    expect(await rejectionOf(receiver.next())).toMatchObject({ reason: 'not-json', offset: 0 })
    expect(receiver.stats.byteOrderMarks).toBe(0)
  })
})

describe('lines that are too long', () => {
  it('takes one of exactly the limit', async () => {
    const { raw, receiver } = await rawToReceiver()
    const overhead = '{"type":"a","payload":""}'.length
    raw.end(`{"type":"a","payload":"${'x'.repeat(MAX_MESSAGE_BYTES - overhead)}"}\r\n${good}\n`)
    expect((await receiver.next()).value?.rawPayload).toHaveLength(MAX_MESSAGE_BYTES - overhead + 2)
    expect((await receiver.next()).value?.id).toBe('7')
  })

  it('throws one away while it streams in, in constant memory, and reports it once', async () => {
    const { raw, receiver } = await rawToReceiver()
    const chunk = Buffer.alloc(1 << 20, 'x')
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 64; ++i) {
      await new Promise((resolve) => raw.write(chunk, resolve))
    }
    raw.end(`\n${good}\n`)
    const error = await rejectionOf(receiver.next())
    expect(error).toMatchObject({ code: 'ERR_IPC_MESSAGE_TOO_LARGE', reason: 'too-large' })
    expect((error as { sample: string }).sample).toBe(`"${'x'.repeat(64)}"`)
    expect((await receiver.next()).value?.id).toBe('7')
    expect((await receiver.next()).done).toBe(true)
    // A sanitizer keeps freed memory back.
    if (process.env['SANITIZED'] !== '1') expect(process.memoryUsage.rss() - before).toBeLessThan(32 << 20)
  })

  it('has a limit of its own with maxMessageBytes', async () => {
    const { raw, receiver } = await rawToReceiver({ maxMessageBytes: good.length })
    raw.end(`${good}\n ${good}\n${good}\r\n`)
    expect((await receiver.next()).value?.id).toBe('7')
    expect(await rejectionOf(receiver.next())).toMatchObject({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' })
    expect((await receiver.next()).value?.id).toBe('7')
  })
})

describe('line endings and the end of the stream', () => {
  it('skips empty lines and takes CRLF', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(`\n\r\n${good}\r\n\n\n${good}\n\r\n`)
    const ids = []
    for await (const message of receiver) ids.push(message.id)
    expect(ids).toEqual(['7', '7'])
    expect(receiver.stats.invalid).toBe(0)
  })

  it('delivers a last line without a newline, as Go does', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end(`${good}\n${good}`)
    expect((await receiver.next()).done).toBe(false)
    expect((await receiver.next()).value?.id).toBe('7')
    expect((await receiver.next()).done).toBe(true)
  })

  it.each([good.slice(0, -1), good.slice(0, 9), '{"type":"a","payload":"é'])(
    'reports a stream that ends in the middle of %s',
    async (torn) => {
      const { raw, receiver } = await rawToReceiver()
      raw.end(`${good}\n${torn}`)
      expect((await receiver.next()).value?.id).toBe('7')
      expect(await rejectionOf(receiver.next())).toMatchObject({
        code: 'ERR_IPC_INVALID_MESSAGE',
        reason: 'truncated',
      })
      expect((await receiver.next()).done).toBe(true)
    },
  )

  it('stays done', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end()
    expect((await receiver.next()).done).toBe(true)
    expect((await receiver.next()).done).toBe(true)
  })
})

describe('taking messages', () => {
  it('answers several calls under way in their order', async () => {
    const { raw, receiver } = await rawToReceiver()
    const calls = [receiver.next(), receiver.next(), receiver.next(), receiver.next()]
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\n{"type":"a","id":"3"}\n')
    const results = await Promise.all(calls)
    expect(results.map((result) => result.value?.id)).toEqual(['1', '2', '3', undefined])
  })

  it('gives runs of messages with batches(), and goes on where next() was', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end('{"type":"a","id":"1"}\n{"type":"a","id":"2"}\nbad\n{"type":"a","id":"3"}\n')
    expect((await receiver.next()).value?.id).toBe('1')
    const batches = receiver.batches()
    expect((await batches.next()).value?.map((message) => message.id)).toEqual(['2'])
    expect(await rejectionOf(batches.next())).toMatchObject({ reason: 'not-json' })
    expect((await batches.next()).value?.map((message) => message.id)).toEqual(['3'])
    expect((await batches.next()).done).toBe(true)
  })

  it('closes the connection when a loop is left', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write(`${good}\n`)
    for await (const message of receiver) {
      expect(message.id).toBe('7')
      break
    }
    expect(server.closed).toBe(true)
  })

  it('tells on each message who sent it', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.end('{"type":"a","peer":{"uid":0},"uid":0}\n')
    const message = (await receiver.next()).value
    expect(message?.peer).toBe(server.peer)
    expect(message?.peer).toMatchObject(self)
  })

  it('hands out ids and payloads that do not hold the whole read', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.end('{"type":"a","id":"an id of more than thirteen","payload":"a payload of more than thirteen"}\n')
    const message = (await receiver.next()).value
    expect(message?.id).toBe('an id of more than thirteen')
    expect(message?.rawPayload).toBe('"a payload of more than thirteen"')
    expect(message?.payload).toBe('a payload of more than thirteen')
  })

  it('stops reading while no messages are taken, and loses none', async () => {
    const { raw, receiver } = await rawToReceiver()
    const lines = 200_000
    let sent = 0
    const pump = (): void => {
      while (sent < lines && raw.write(`{"type":"a","id":"${sent++}"}\n`));
      if (sent < lines) raw.once('drain', pump)
      else raw.end()
    }
    pump()
    await until(() => receiver.stats.received >= 1024)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { received } = receiver.stats
    expect(received).toBeLessThan(50_000)
    let next = 0
    for await (const message of receiver) expect(message.id).toBe(String(next++))
    expect(next).toBe(lines)
  })
})

describe('a connection that is closed here', () => {
  it('is no fault of the peer', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write('{"type":"a"}\n{"type":')
    expect((await receiver.next()).value?.type).toBe('a')
    server.destroy()
    expect((await receiver.next()).done).toBe(true)
    expect(receiver.stats.invalid).toBe(0)
  })
})

describe('misuse', () => {
  it('of a second receiver does not disturb the first', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    expect(() => new Receiver(server, 'second', { idleTimeoutMs: 20 })).toThrow(TypeError)
    await new Promise((resolve) => setTimeout(resolve, 60))
    raw.end(`${good}\n`)
    expect((await receiver.next()).value?.id).toBe('7')
  })

  it('refuses a second receiver', async () => {
    const { client } = await connectedPair()
    new Receiver(client, 'first')
    expect(() => new Receiver(client, 'second')).toThrow(TypeError)
  })

  it.each([{ maxMessageBytes: 0 }, { maxMessageBytes: MAX_MESSAGE_BYTES + 1 }, { maxInvalid: NaN }])(
    'refuses %j',
    async (options) => {
      const { client } = await connectedPair()
      expect(() => new Receiver(client, 'r', options)).toThrow(RangeError)
    },
  )

  it('refuses an unknown onInvalid', async () => {
    const { client } = await connectedPair()
    expect(() => new Receiver(client, 'r', { onInvalid: 'ignore' as 'skip' })).toThrow(TypeError)
  })
})
