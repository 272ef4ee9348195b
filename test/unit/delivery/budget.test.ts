// What a sender can make a receiver hold and do while its application is busy.

import { describe, expect, it } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { rawSender } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60))

describe('a receiver with a busy application', () => {
  it('stops reading at a quarter of a megabyte, and goes on when there is room', async () => {
    const listener = await listening(temporaryDirectory())
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    raw.state({ next: 1, lowest: 1 })
    for (let number = 1; number <= 100; ++number) raw.line(number, 'x'.repeat(20_000))
    await until(() => receiver.stats.waiting > 0)
    await settle()
    // At most one more read, of 112 KiB, beyond the limit.
    expect(receiver.stats.received * 20_000).toBeLessThan((1 << 18) + (112 << 10) + 20_000)
    void (async () => {
      for await (const message of receiver) receiver.acknowledge(message)
    })()
    await until(() => receiver.stats.accepted === 100)
    await receiver.close()
  })

  it('stops reading at a thousand small messages', async () => {
    const listener = await listening(temporaryDirectory())
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    raw.state({ next: 1, lowest: 1 })
    for (let number = 1; number <= 20_000; ++number) raw.line(number)
    await until(() => receiver.stats.waiting > 0)
    await settle()
    expect(receiver.stats.received).toBeLessThan(1024 + 3000)
    await receiver.close()
  })

  it('keeps 64 errors, counts the others, and hangs up on a peer that sends nothing else', async () => {
    const listener = await listening(temporaryDirectory())
    const raw = rawSender(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { maxInvalid: 500 })
    raw.socket.write('x\n'.repeat(400))
    await until(() => receiver.stats.invalid === 400)
    let errors = 0
    for (; errors < 64; ++errors) await expect(receiver.next()).rejects.toMatchObject({ reason: 'not-json' })
    raw.socket.write('x\n'.repeat(5000))
    await until(() => receiver.connection.closed)
    expect(receiver.stats.invalid).toBe(501)
    const reasons: unknown[] = []
    for (;;) {
      const reason = await receiver.next().then(
        () => undefined,
        (error: unknown) => (error as { reason: string }).reason,
      )
      if (reason === undefined) break
      reasons.push(reason)
    }
    expect(reasons).toHaveLength(65)
    expect(reasons.at(-1)).toBe('too-many-invalid')
  })
})

it('a sender cannot set the pace at which a receiver speaks', async () => {
  const listener = await listening(temporaryDirectory())
  const raw = rawSender(listener.address)
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  const begin = performance.now()
  raw.state({ next: 1, lowest: 1, heartbeat_ms: 10 })
  await until(() => raw.lines.length > 0)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(receiver.stats.acknowledgements).toBeLessThanOrEqual(1 + (performance.now() - begin) / 1000)
  expect(JSON.parse(raw.lines[0] ?? '')).toMatchObject({ payload: { takes: { heartbeat_ms: 1000 } } })
  await receiver.close()
})
