// The way out against a message system in memory: what it gathers, sets aside, holds back and spools.

import { writevSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { LogFiles } from '../../lib/spool/log-files.js'
import { Spool } from '../../lib/spool/spool.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf, until } from '../support/wait.js'
import { expectExact, localSender, message, wayIn, wayOut } from './memory-bridges.js'
import { MemoryBroker } from './memory-broker.js'

describe('the way out', () => {
  it('gathers a trickle of messages into few batches', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const out = await wayOut(directory, broker, { gatherMs: 400 })
    const sender = localSender(directory)
    for (let i = 0; i < 20; ++i) {
      void sender.send(newSOCMessage('soc_event', i))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(() => out.stats.delivered === 20)
    expect(broker.items.length).toBeLessThan(8)
  })

  it('tells repetitions of a sender without numbers from new messages', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker(1)
    let puts = 0
    broker.fate = () => (++puts % 3 === 1 ? 'lose-ack' : 'store')
    await wayOut(directory, broker, { maxBatchMessages: 5 })
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const sender = new Sender(await dial('out', { directory }), 's')
    for (let i = 0; i < 50; ++i) await sender.send(message(0, i))
    await until(() => ids.length >= 50)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expectExact(ids, 1, 50)
    void sender.close()
  })

  it('makes a dead letter of a message that the system finds too large, and goes on', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const out = await wayOut(directory, broker)
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const sender = localSender(directory)
    const text = JSON.stringify('x'.repeat(3000))
    await until(() => sender.state === 'acknowledging')
    broker.limits = { maxBatchBytes: 1000, maxLineBytes: 2000 }
    await sender.sendBatch([
      message(0, 0),
      newSOCMessage('soc_event', rawJSON(text), { id: 'large' }),
      ...Array.from({ length: 30 }, (_, i) => message(0, i + 1)),
    ])
    await until(() => ids.length >= 31)
    expectExact(ids, 1, 31)
    expect(broker.letters).toMatchObject([{ reason: 'too-large', host: 'h.1', type: 'soc_event' }])
    expect(out.stats).toMatchObject({ deadLetters: 1, pending: 0 })
  })

  it('accepts into its spool while the system is away, until that is full; then senders wait', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const spool = await Spool.open({ directory: join(directory, 'spool'), maxBytes: 20_000 })
    const out = await wayOut(directory, broker, { spool, maxBytes: 1 << 16, maxBatchMessages: 16 })
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    broker.isUp = false
    const sender = localSender(directory)
    const payload = 'x'.repeat(200)
    let accepted = 0
    for (let i = 0; i < 1000; ++i) {
      const sent = newSOCMessage('soc_event', { i, payload }, { id: `0:${i}` })
      void sender.send(sent).then(
        () => ++accepted,
        () => undefined,
      )
    }
    await until(() => accepted > 20)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(accepted).toBeLessThan(200)
    expect(out.stats.pendingBytes).toBeLessThan(1 << 18)
    expect(sender.pending).toBeGreaterThan(700)
    broker.isUp = true
    await until(() => ids.length >= 1000)
    expectExact(ids, 1, 1000)
  })
})

describe('a spool whose disk fails for good', () => {
  it('ends the way out, and the next one delivers everything once', async () => {
    const directory = temporaryDirectory()
    const broker = new MemoryBroker()
    const { ids } = await receiving(directory)
    await wayIn(directory, broker)
    const path = join(directory, 'spool')
    const out = await wayOut(directory, broker, { spool: await Spool.open({ directory: path }) })
    const sender = localSender(directory)
    await sender.send(message(0, 0))
    vi.spyOn(LogFiles.prototype, 'write').mockImplementation(({ descriptor }, buffers, position) => {
      writevSync(descriptor, buffers, position)
      // The note that the first message is settled may be written before the batch, and must not be what fails.
      return Buffer.concat(buffers).includes('0:1') ? Promise.reject(new Error('EIO')) : Promise.resolve()
    })
    vi.spyOn(LogFiles.prototype, 'truncate').mockRejectedValue(new Error('EIO'))
    onTestFinished(() => void vi.restoreAllMocks())
    const sent = sender.sendBatch([message(0, 1), message(0, 2)])
    expect(await rejectionOf(out.ended)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'maybe-kept' })
    expect(out.state).toBe('failed')
    vi.restoreAllMocks()
    await wayOut(directory, broker, { spool: await Spool.open({ directory: path }) })
    await sent
    await until(() => ids.length >= 3)
    expectExact(ids, 1, 3)
  })
})
