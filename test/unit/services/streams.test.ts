// Streams over receivers and senders: pipelines with files of NDJSON and gzip, back-pressure, errors, web streams.

import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip, createGzip, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import {
  readableFrom,
  readableStreamFrom,
  writableStreamTo,
  writableTo,
} from '../../../lib/services/streams.js'
import { numbered } from '../../support/messages.js'
import { connectedPair, rawToReceiver } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

async function ends(): Promise<{ directory: string; sender: Sender; receiver: Receiver }> {
  const { client, server, directory } = await connectedPair()
  return { directory, sender: new Sender(client, 's'), receiver: new Receiver(server, 'r') }
}

describe('streams', () => {
  it('carry an NDJSON file through a connection into a gzipped one, byte for byte', async () => {
    const { directory, sender, receiver } = await ends()
    const lines = [
      '{"type":"soc_event","id":"1","ts":1700000000,"payload":{"n":12345678901234567890,"s":"ü語"}}',
      '{"type":"soc_heartbeat","ts":0}',
      ...Array.from({ length: 20_000 }, (_, i) => `{"type":"t","id":"${i}","ts":-5,"payload":[${i},"x"]}`),
    ]
    const text = `${lines.join('\n')}\n`
    writeFileSync(join(directory, 'in.ndjson'), text)
    await Promise.all([
      // Small chunks, so that lines and characters are cut anywhere.
      pipeline(
        createReadStream(join(directory, 'in.ndjson'), { highWaterMark: 1009 }),
        writableTo(sender, { as: 'text' }),
      ),
      pipeline(
        readableFrom(receiver, { as: 'text' }),
        createGzip(),
        createWriteStream(join(directory, 'out.gz')),
      ),
    ])
    expect(gunzipSync(readFileSync(join(directory, 'out.gz'))).toString()).toBe(text)
  })

  it('carry lines that are payloads', async () => {
    const { directory, sender, receiver } = await ends()
    const path = join(directory, 'in.gz')
    writeFileSync(path, gzipSync('{"a":1}\r\n\n[2]\n"no newline at the end"'))
    const got: string[] = []
    await Promise.all([
      pipeline(createReadStream(path), createGunzip(), writableTo(sender, { as: 'text', type: 'row' })),
      pipeline(readableFrom(receiver, { as: 'text', payloads: true }), async (source) => {
        for await (const chunk of source) got.push(chunk as string)
      }),
    ])
    expect(got.join('')).toBe('{"a":1}\n[2]\n"no newline at the end"\n')
  })

  it('understand lines that others have written', async () => {
    const { sender, receiver } = await ends()
    const stream = writableTo(sender, { as: 'text' })
    stream.end(' { "payload" : "p", "type" : "a\\u0062" }\n{"type":"x","id":"q\\"","ts":7,"extra":1}\n')
    const got = []
    for await (const { type, id, timestamp, payload } of receiver) got.push([type, id, timestamp, payload])
    expect(got).toEqual([
      ['ab', '', 0, 'p'],
      ['x', 'q"', 7, undefined],
    ])
  })

  it.each([
    'no json',
    '[]',
    '3',
    '{"id":"1"}',
    '{"type":""}',
    '{"type":"a","ts":1.5}',
    '{"type":"a","id":5}',
  ])('refuse the line %s', async (line) => {
    const { sender } = await ends()
    const stream = writableTo(sender, { as: 'text' })
    const error = await rejectionOf(pipeline(Readable.from([`${line}\n`]), stream))
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(sender.connection.closed).toBe(true)
  })

  it.each<[string, string | undefined, string, string]>([
    ['a payload that is not JSON', 'row', '{"a":', 'not-json'],
    ['a payload with what follows it', 'row', '{"a":1},"extra":1', 'not-json'],
    ['a line that is no message', undefined, '{"id":"x"}', 'not-a-message'],
    [
      'a message whose payload is too deep',
      undefined,
      `{"type":"t","payload":${'['.repeat(300)}${']'.repeat(300)}}`,
      'too-deep',
    ],
  ])('says which line of a text it refuses: %s', async (_what, type, bad, reason) => {
    const { sender } = await ends()
    const stream = writableTo(sender, { as: 'text', ...(type !== undefined && { type }) })
    const failed = once(stream, 'error')
    const good = type === undefined ? '{"type":"t","ts":1}' : '{"a":1}'
    stream.write(`${good}\n\n${good}\n${good.slice(0, 4)}`)
    stream.write(`${good.slice(4)}\n\r\n${good}\n${bad}\n${good}\n`)
    const [error] = (await failed) as [unknown]
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason })
    expect((error as Error).message).toMatch(/^line 7 of the text: /)
    expect((error as Error).message).toContain(JSON.stringify(bad.slice(0, 20)).slice(1, -1).slice(0, 10))
  })

  it('refuse a line without end in bounded memory', async () => {
    const { sender } = await ends()
    const chunk = 'x'.repeat(65_536)
    let taken = 0
    const endless = new Readable({
      read() {
        ++taken
        this.push(chunk)
      },
    })
    const error = await rejectionOf(pipeline(endless, writableTo(sender, { as: 'text' })))
    expect(error).toMatchObject({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' })
    expect(taken).toBeLessThan(40)
  })

  it('refuse a payload that is not JSON, and chunks that are not messages', async () => {
    const first = await ends()
    const raw = pipeline(Readable.from([newSOCMessage('t', rawJSON('{'))]), writableTo(first.sender))
    expect(await rejectionOf(raw)).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    const second = await ends()
    const wrong = pipeline(Readable.from([{ type: 't' }]), writableTo(second.sender))
    expect(await rejectionOf(wrong)).toBeInstanceOf(TypeError)
  })

  it('stop the sender while the reader is slow, and lose nothing', async () => {
    const { sender, receiver } = await ends()
    const total = 20_000
    let made = 0
    function* source(): Generator<SOCMessage> {
      for (const message of numbered(total, 0, 'x'.repeat(500))) {
        ++made
        yield message
      }
    }
    const sent = pipeline(Readable.from(source()), writableTo(sender))
    const stream = readableFrom(receiver)
    await new Promise((resolve) => setTimeout(resolve, 300))
    // Nothing has been read yet: the kernel's buffers and the streams' own are full.
    expect(made).toBeLessThan(5000)
    const ids: string[] = []
    for await (const message of stream) ids.push((message as SOCMessage).id)
    await sent
    expect(ids).toEqual(Array.from({ length: total }, (_, i) => String(i)))
  })

  it('fail with the error of the receiver', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.write('{"type":"a","ts":1}\nno message\n')
    const got: string[] = []
    const reading = async (): Promise<void> => {
      for await (const message of readableFrom(receiver)) got.push((message as SOCMessage).type)
    }
    expect(await rejectionOf(reading())).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(got).toEqual(['a'])
    expect(receiver.connection.closed).toBe(true)
  })

  it('fail when the peer goes', async () => {
    const { sender, receiver } = await ends()
    const endless = new Readable({
      objectMode: true,
      read() {
        this.push(newSOCMessage('t', 'x'.repeat(1000)))
      },
    })
    const sent = pipeline(endless, writableTo(sender))
    const stream = readableFrom(receiver)
    for await (const message of stream) {
      expect(message).toBeDefined()
      break // destroys the stream, which closes the connection
    }
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    await until(() => receiver.connection.closed)
  })

  it.each(['idle', 'blocked'])('destroy the connection when they are destroyed, %s', async (state) => {
    const { sender, receiver } = await ends()
    const stream = writableTo(sender)
    stream.write(newSOCMessage('t'))
    if (state === 'blocked')
      while (!stream.writableNeedDrain) stream.write(newSOCMessage('t', 'x'.repeat(100_000)))
    stream.destroy()
    await until(() => sender.connection.closed)
    receiver.connection.destroy()
  })

  it('leave the connection open when they are destroyed without an error and with keepOpen', async () => {
    const { sender, receiver } = await ends()
    const stream = writableTo(sender, { keepOpen: true })
    stream.destroy()
    await once(stream, 'close')
    await sender.send(newSOCMessage('after'))
    expect((await receiver.next()).value).toMatchObject({ type: 'after' })
  })

  it('end without cutting off what is still being sent', async () => {
    const { raw, receiver } = await rawToReceiver()
    let read = 0
    raw.on('data', (bytes: Buffer) => (read += bytes.length))
    const sender = new Sender(receiver.connection, 's')
    raw.end('{"type":"a","ts":1}\n')
    const sent: Promise<void>[] = []
    for await (const message of readableFrom(receiver)) {
      expect(message).toBeDefined()
      sent.push(sender.send(newSOCMessage('large', 'x'.repeat(900_000))))
    }
    await Promise.all(sent)
    await until(() => read > 900_000)
  })

  it('leave the connection open with keepOpen', async () => {
    const { sender, receiver } = await ends()
    await pipeline(Readable.from(numbered(3)), writableTo(sender, { keepOpen: true }))
    await sender.send(newSOCMessage('t', 1, { id: 'after' }))
    await sender.close()
    const ids: string[] = []
    for await (const { id } of receiver) ids.push(id)
    expect(ids).toEqual(['0', '1', '2', 'after'])
  })

  it('abort at once as web streams, however long the peer does not read', async () => {
    const { sender } = await ends()
    const writer = writableStreamTo(sender).getWriter()
    const text = 'x'.repeat(100_000)
    const writes = Array.from({ length: 400 }, () => writer.write(newSOCMessage('t', text)))
    const failed = Promise.allSettled(writes)
    const ended = rejectionOf(writer.closed)
    await sleep(50)
    const reason = new Error('enough')
    const startMs = performance.now()
    await writer.abort(reason)
    // A send is given up after 5 s.
    expect(performance.now() - startMs).toBeLessThan(2500)
    expect(sender.connection.closed).toBe(true)
    expect(await ended).toBe(reason)
    expect((await failed).at(-1)).toMatchObject({ status: 'rejected' })
  })

  it('fail as web streams when the peer goes, also while they close', async () => {
    for (const closing of [false, true]) {
      const { sender, receiver } = await ends()
      const writer = writableStreamTo(sender).getWriter()
      const ended = rejectionOf(writer.closed)
      const text = 'x'.repeat(100_000)
      const writes = Array.from({ length: 20 }, () => writer.write(newSOCMessage('t', text)))
      const all = Promise.allSettled(closing ? [...writes, writer.close()] : writes)
      await sleep(50)
      receiver.connection.destroy()
      expect(await ended).toMatchObject({ code: 'ERR_IPC_CLOSED' })
      expect((await all).at(-1)).toMatchObject({ status: closing ? 'rejected' : 'fulfilled' })
    }
  })

  it('exist as web streams', async () => {
    const { sender, receiver } = await ends()
    const source = new ReadableStream<SOCMessage>({
      start(controller) {
        for (const message of numbered(1000)) controller.enqueue(message)
        controller.close()
      },
    })
    const target: WritableStream<SOCMessage> = writableStreamTo(sender)
    const sent = source.pipeTo(target)
    const ids: string[] = []
    for await (const { id } of readableStreamFrom(receiver)) ids.push(id)
    await sent
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
    const text = await ends()
    const writer = writableStreamTo<string>(text.sender, { as: 'text', type: 'row' }).getWriter()
    void writer.write('1\n2\n').then(() => writer.close())
    let all = ''
    for await (const chunk of readableStreamFrom<string>(text.receiver, { as: 'text', payloads: true }))
      all += chunk
    expect(all).toBe('1\n2\n')
  })

  it('refuse options that do not go together', async () => {
    const { sender, receiver } = await ends()
    expect(() => readableFrom(receiver, { payloads: true })).toThrow(/payloads needs as: 'text'/)
    expect(() => writableTo(sender, { type: 't' })).toThrow(/type needs as: 'text'/)
    expect(() => readableFrom(receiver, { as: 'json' } as never)).toThrow(/one of "object", "text"/)
    expect(writableTo(sender)).toBeInstanceOf(Writable)
  })
})
