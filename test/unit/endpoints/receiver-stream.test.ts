// The stream as such: byte order marks, lines that are too long, line endings, and its end.

import { describe, expect, it } from 'vitest'

import { TurnCost } from '../../../lib/binding/abi.js'
import { endReading, type Connection } from '../../../lib/connection/connection.js'
import type { Receiver } from '../../../lib/endpoints/receiver.js'
import { MAX_MESSAGE_BYTES } from '../../../lib/message/envelope.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { rawToReceiver } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const good = '{"type":"soc_event","id":"7","ts":5,"payload":{"a":1}}'

function parts(message: SOCMessage | undefined): unknown {
  return [message?.type, message?.id, message?.timestamp, message?.rawPayload]
}

describe('lines that were read while the receiver had enough', () => {
  const line = '{"type":"a"}\n'

  it.each<[string, (connection: Connection, receiver: Receiver) => unknown]>([
    ['the receiver is closed', (_connection, receiver) => receiver.close()],
    [
      'reading ends, as when a server drains',
      (connection) => {
        endReading(connection)
      },
    ],
  ])('are handed out when %s', async (_when, end) => {
    const { raw, receiver, server } = await rawToReceiver()
    // Messages take more memory than their lines, so the receiver has enough before it has all lines of a read.
    raw.write(line.repeat(20_000))
    await until(() => receiver.stats.received > 0)
    const { received, bytes } = receiver.stats
    const read = Math.floor(bytes / line.length)
    expect(received).toBeLessThan(read)
    await end(server, receiver)
    let count = 0
    for await (const { type } of receiver) if (type === 'a') ++count
    expect(count).toBe(read)
    expect(receiver.stats).toMatchObject({ received: read, bytes })
  })

  it('are handed out over turns of the event loop, while others are read', async () => {
    const { raw, receiver, server } = await rawToReceiver()
    raw.write(line.repeat(20_000))
    await until(() => receiver.stats.received > 0)
    const closing = receiver.close()
    let most = 0
    for (let before = receiver.stats.received; !server.closed;) {
      await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, receiver.stats.received - before)
      before = receiver.stats.received
    }
    await closing
    // At most two turns lie between two immediates.
    expect(most).toBeLessThanOrEqual(2 * TurnCost.units)
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
