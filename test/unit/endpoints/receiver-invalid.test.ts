// Lines that are not messages: the reason, the place and the sample of each, and how many are tolerated.

import { describe, expect, it } from 'vitest'

import { rawToReceiver } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const good = '{"type":"soc_event","id":"7","ts":5,"payload":{"a":1}}'

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
    ['an invalid escape', '{"type":"a","payload":"\\x"}', 'not-json'],
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
    ['an invalid escape', `${head}\\x"}`, 'not-json', 107],
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
