// The promise levels across processes that are stopped, end in the middle, or are killed.

import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../lib/delivery/receiver/ledger.js'
import type { DeliveryEvent } from '../../lib/delivery/sender/options.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { rejectionOf, until } from '../support/wait.js'

describe('a receiving process that is stopped (SIGSTOP)', () => {
  it('is noticed within the limit, and gets everything once when it goes on', async () => {
    const directory = temporaryDirectory()
    const child = startChild('delivery-receiver', { directory })
    await child.report()
    const events: DeliveryEvent[] = []
    const sender = new AcknowledgedSender('test', {
      directory,
      heartbeatMs: 50,
      peerTimeoutMs: 200,
      answerTimeoutMs: 200,
      maxBackoffMs: 50,
      onEvent: (event) => events.push(event),
    })
    onTestFinished(async () => {
      await sender.close({ timeoutMs: 1 }).catch(() => undefined)
    })
    await sender.send(newSOCMessage('soc_event', 1))
    child.process.kill('SIGSTOP')
    const stoppedAt = performance.now()
    const sent = sender.sendBatch(Array.from({ length: 100 }, (_, i) => newSOCMessage('soc_event', i + 2)))
    await until(() => events.some(({ type }) => type === 'lost'))
    expect(performance.now() - stoppedAt).toBeLessThan(1500)
    expect(events.find(({ type }) => type === 'lost')).toMatchObject({
      error: { reason: 'silent-peer' },
    })
    child.process.kill('SIGCONT')
    await sent
    child.send('payloads')
    expect(await child.report()).toEqual({ payloads: Array.from({ length: 101 }, (_, i) => i + 1) })
  })
})

describe('a process that has ended while a child of it holds the socket open', () => {
  it('is noticed by its sender within the limit', async () => {
    const directory = temporaryDirectory()
    const child = startChild('half-dead', { path: join(directory, 'test.sock') })
    await child.report()
    const events: DeliveryEvent[] = []
    const sender = new AcknowledgedSender('test', {
      directory,
      heartbeatMs: 50,
      peerTimeoutMs: 200,
      onEvent: (event) => events.push(event),
    })
    onTestFinished(() => sender.close({ timeoutMs: 1 }).catch(() => undefined))
    const { holder } = await child.report<{ holder: number }>()
    onTestFinished(() => {
      process.kill(holder, 'SIGKILL')
    })
    await child.exited
    void sender.send(newSOCMessage('soc_event', 1))
    await until(() => events.some(({ type }) => type === 'lost'))
    expect(events.slice(0, 2)).toMatchObject([
      { type: 'connected', acknowledging: true },
      { type: 'lost', error: { code: 'ERR_IPC_TIMEOUT', reason: 'silent-peer' } },
    ])
    expect(sender.stats).toMatchObject({ accepted: 1, pending: 1, acknowledged: 0 })
  })

  it('is noticed by its receiver within the limit', async () => {
    const listener = await listening(temporaryDirectory())
    const child = startChild('forker', { address: listener.address })
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { idleTimeoutMs: 200 })
    const { holder } = await child.report<{ holder: number }>()
    onTestFinished(() => {
      process.kill(holder, 'SIGKILL')
    })
    await child.kill()
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'silent-peer',
    })
    expect(receiver.connection.closed).toBe(true)
  })
})

describe('a receiving process that is killed', () => {
  it('is replaced by the next one, and nothing unacknowledged is lost', async () => {
    const directory = temporaryDirectory()
    const first = startChild('delivery-receiver', { directory })
    await first.report()
    const sender = new AcknowledgedSender('test', { directory, maxBackoffMs: 50 })
    await sender.send(newSOCMessage('soc_event', 1))
    await first.kill()
    const sent = sender.sendBatch([newSOCMessage('soc_event', 2), newSOCMessage('soc_event', 3)])
    const second = startChild('delivery-receiver', { directory })
    await second.report()
    await sent
    second.send('payloads')
    expect(await second.report()).toEqual({ payloads: [2, 3] })
    await sender.close()
  })
})

describe('a sending process', () => {
  it.each(['process.exit', 'SIGKILL', 'SIGSTOP'])(
    'that ends with %s loses nothing that was spooled',
    async (how) => {
      const directory = temporaryDirectory()
      const child = startChild('delivery-sender', { directory, how })
      expect(await child.report()).toEqual({ spooled: 500 })
      if (how !== 'process.exit') child.process.kill(how as NodeJS.Signals)
      if (how === 'SIGSTOP') {
        // It holds its socket and its spool, but does nothing.
        const listener = await listening(directory)
        child.process.kill('SIGCONT')
        const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { idleTimeoutMs: 150 })
        expect((await receiver.next()).value?.payload).toBe(0)
        child.process.kill('SIGSTOP')
        let last: unknown
        const error = await (async () => {
          try {
            for await (const message of receiver) last = message.payload
          } catch (failure) {
            return failure
          }
          return undefined
        })()
        expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT', reason: 'silent-peer' })
        expect(last).toBe(499)
        return
      }
      await child.exited
      const again = startChild('delivery-sender', { directory, how: 'continue' })
      const listener = await listening(directory)
      const ledger = new DeliveryLedger()
      const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { ledger })
      const payloads: unknown[] = []
      try {
        for await (const message of receiver) payloads.push(message.payload)
      } catch (error) {
        // The sender goes when it has its last acknowledgement. A heartbeat that it no longer read makes that a reset.
        expect(error).toMatchObject({ code: 'ERR_IPC_CLOSED', cause: { code: 'ECONNRESET' } })
      }
      expect(payloads).toEqual(Array.from({ length: 500 }, (_, i) => i))
      expect(await again.report()).toMatchObject({
        stats: { recovered: 500, acknowledged: 500, pending: 0, dropped: 0 },
      })
    },
  )
})
