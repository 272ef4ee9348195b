// Lines that the receiver does not take: their numbers are known, so that no other message pays for them.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { MAX_MESSAGE_BYTES } from '../../../lib/message/envelope.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { expectBalance, hello, rawSender, sender } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const large = (id: string): ReturnType<typeof newSOCMessage> => newSOCMessage('a', 'x'.repeat(10_000), { id })

describe('a line that the receiver refuses', () => {
  it.each(['throw', 'skip'] as const)(
    'is rejected with the reason, and shifts no other number (onInvalid: %s)',
    async (onInvalid) => {
      const directory = temporaryDirectory()
      const listener = await listening(directory)
      const ledger = new DeliveryLedger()
      const options = { ledger, maxMessageBytes: 4096, onInvalid }
      const made = sender(directory)
      // Accepted before the receiver could state its limits.
      const results = [...numbered(2), large('2'), ...numbered(2, 3), large('5')].map((message) =>
        made.send(message),
      )
      const seen: string[] = []
      const receivers: AcknowledgingReceiver[] = []
      const read = async (): Promise<void> => {
        const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', options)
        receivers.push(receiver)
        for (;;) {
          const result = await receiver.next().catch((error: unknown) => (error as { reason: string }).reason)
          if (typeof result === 'string') seen.push(result)
          else if (result.done === true) return
          else seen.push(result.value.id)
        }
      }
      void read()
      const begunAt = performance.now()
      expect(await Promise.all(results)).toEqual(
        [0, 1, 2, 3, 4, 5].map((i) =>
          i % 3 === 2 ? { status: 'rejected', reason: 'too-large', rejected: 1 } : { status: 'acknowledged' },
        ),
      )
      // The last one too, long before the next heartbeat, which is 2.5 seconds away.
      expect(performance.now() - begunAt).toBeLessThan(2000)
      const error = onInvalid === 'throw' ? ['too-large'] : []
      expect(seen).toEqual(['0', '1', ...error, '3', '4', ...error])
      void read()
      receivers[0]?.connection.destroy()
      expect(await made.sendBatch(numbered(2, 6))).toEqual({ status: 'acknowledged' })
      expect(seen.slice(-2)).toEqual(['6', '7'])
      await until(() => receivers.every(({ stats }) => stats.inHand === 0))
      expect(receivers[0]?.stats).toMatchObject({ refused: 2, lost: 0, duplicates: 0 })
      expectBalance(made.stats, receivers, 'settled')
    },
  )

  it('is reported again to a sender that lost the connection before it learned of it', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const ledger = new DeliveryLedger()
    const first = rawSender(listener.address)
    const one = new AcknowledgingReceiver(await listener.accept(), 'one', { ledger, ackDelayMs: 10_000 })
    void one.next().catch(() => undefined)
    first.state({ next: 1, lowest: 1 })
    first.socket.write('nonsense\n')
    first.state({ next: 2, lowest: 1 })
    await until(() => one.stats.refused === 1)
    first.socket.destroy()
    const second = rawSender(listener.address)
    const two = new AcknowledgingReceiver(await listener.accept(), 'two', { ledger })
    void two.next()
    second.state({ next: 1, lowest: 1 })
    await until(() => second.lines.length > 0)
    expect(JSON.parse(second.lines[0] ?? '')).toMatchObject({
      payload: { through: 1, ranges: [[1, 1, 'not-json']] },
    })
    // Until the sender states that it knows.
    second.state({ next: 2, lowest: 2 })
    const third = rawSender(listener.address)
    const three = new AcknowledgingReceiver(await listener.accept(), 'three', { ledger })
    void three.next()
    await until(() => two.stats.acknowledgements > 0)
    second.socket.destroy()
    third.state({ next: 2, lowest: 2 })
    await until(() => third.lines.length > 0)
    expect((JSON.parse(third.lines[0] ?? '') as { payload: object }).payload).not.toHaveProperty('ranges')
  })
})

describe('the greeting', () => {
  it('states what the receiver takes, and send refuses the rest', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { maxMessageBytes: 1000 })
    void (async () => {
      for await (const message of receiver) expect(message.id).toBe('0')
    })()
    await until(() => made.state === 'acknowledging')
    expect(await rejectionOf(made.send(large('0')))).toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
      reason: 'too-large',
    })
    // The longest that fits: 1000 bytes with its number.
    const text = 'x'.repeat(1000 - 24 - '{"type":"a","id":"0","ts":1,"payload":""}'.length)
    const fits = made.send(newSOCMessage('a', text, { id: '0', timestamp: 1 }))
    const tooLong = made.send(newSOCMessage('a', `${text}x`, { id: '0', timestamp: 1 }))
    expect(await rejectionOf(tooLong)).toMatchObject({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' })
    expect(await fits).toEqual({ status: 'acknowledged' })
    expect(made.stats).toMatchObject({ accepted: 1, rejected: 0 })
    await receiver.close()
  })

  it.each([
    ['an object', (text: string) => JSON.parse(text) as unknown],
    ['raw JSON', (text: string) => rawJSON(text)],
  ])(
    'is not needed for the depth: a payload too deep is refused at send, made from %s',
    async (_what, make) => {
      const directory = temporaryDirectory()
      const listener = await listening(directory)
      const made = sender(directory)
      const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
      const results = [254, 255, 256, 300].map((depth) => made.send(newSOCMessage('a', make(nested(depth)))))
      const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
      void (async () => {
        for await (const message of receiver) expect(message.rawPayload?.length).toBeLessThanOrEqual(510)
      })()
      const outcomes = await Promise.all(results.map((result) => result.catch((error: unknown) => error)))
      expect(outcomes.slice(0, 2)).toEqual([{ status: 'acknowledged' }, { status: 'acknowledged' }])
      for (const error of outcomes.slice(2))
        expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason: 'too-deep' })
      await receiver.close()
    },
  )
})

it('what a sender states is what the receiver reads: numbers that jump were given up', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  raw.state({ next: 5, lowest: 5 })
  raw.line(5)
  raw.state({ next: 9, lowest: 5, gone: [6, 8] })
  raw.line(9)
  const ids: string[] = []
  void (async () => {
    for await (const { id } of receiver) ids.push(id)
  })()
  await until(() => raw.lines.some((line) => line.includes('"through":9')))
  expect(ids).toEqual(['5', '9'])
  expect(receiver.stats).toMatchObject({ gaps: 1, lost: 3, accepted: 2 })
  expect(hello(raw.lines)).toMatchObject({
    takes: { version: 2, max_bytes: MAX_MESSAGE_BYTES, max_depth: 256 },
  })
  await receiver.close()
})
