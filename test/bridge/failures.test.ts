// A part of a bridge that fails ends the bridge: once, with the error of the part, and with everything else released.

import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { IpcError } from '../../lib/base/errors.js'
import { pause } from '../../lib/base/timing.js'
import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { CheckpointSaver } from '../../lib/bridge/checkpoint-saver.js'
import { InBridge } from '../../lib/bridge/in-bridge.js'
import { InboundLog } from '../../lib/bridge/inbound-log.js'
import { OutBridge, type OutBridgeOptions } from '../../lib/bridge/out-bridge.js'
import { dial } from '../../lib/connection/dial.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../../lib/delivery/sender/options.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Spool } from '../../lib/spool/spool.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf, until } from '../support/wait.js'
import { listening } from '../support/pair.js'
import { MemoryBroker, MemorySink, MemorySource } from './memory-broker.js'

const states = (events: readonly BridgeEvent[]): unknown[] =>
  events.map((event) => event.type === 'state' && event.state)

const batch = {
  host: 'h',
  type: 't',
  runs: [{ uid: 0, pid: 1, session: 'cd'.repeat(16), previous: 0, first: 1, count: 1, anchored: true }],
  lines: Buffer.from('{"type":"t","id":"1","ts":0,"payload":1}\n'),
}

/** A way in whose source counts how often it is closed. */
function wayIn(directory: string, broker = new MemoryBroker()) {
  const source = new MemorySource(broker)
  const events: BridgeEvent[] = []
  const deliveries: DeliveryEvent[] = []
  const close = vi.spyOn(source, 'close')
  const open = (): Promise<InBridge> =>
    InBridge.open({
      to: 'test',
      dial: { directory },
      source,
      checkpointMs: 5,
      onEvent: (event) => events.push(event),
      onDelivery: (event) => deliveries.push(event),
    })
  return { source, close, events, deliveries, broker, open }
}

describe('a way in', () => {
  it('fails when its local sender does', async () => {
    const directory = temporaryDirectory()
    await receiving(directory)
    const { open, close, events, deliveries, broker } = wayIn(directory)
    const bridge = await open()
    vi.spyOn(InboundLog.prototype, 'read').mockImplementation(() => {
      throw new Error('cannot read')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    broker.store({ ...batch, id: '1' })
    expect(await rejectionOf(bridge.ended)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'spool-failed' })
    expect(bridge.state).toBe('failed')
    expect(states(events)).toEqual(['running', 'failed'])
    expect(deliveries.filter(({ type }) => type === 'failed')).toHaveLength(1)
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('that cannot claim its consumer leaves no sender behind', async () => {
    const directory = temporaryDirectory()
    const { connections } = await receiving(directory)
    const { open, close, source, deliveries } = wayIn(directory)
    vi.spyOn(CheckpointSaver.prototype, 'claim').mockImplementation(async () => {
      await until(() => connections.length === 1)
      throw new Error('refused')
    })
    onTestFinished(() => void vi.restoreAllMocks())
    vi.spyOn(source, 'close').mockRejectedValue(new Error('close failed'))
    expect(await rejectionOf(open())).toMatchObject({ message: 'refused' })
    await until(() => connections[0]?.closed === true)
    expect(deliveries.some(({ type }) => type === 'closed')).toBe(true)
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('takes over from a bridge that saves a checkpoint just before it ends', async () => {
    const directory = temporaryDirectory()
    const { ids } = await receiving(directory)
    const { open, source, events, broker } = wayIn(directory)
    broker.store({ ...batch, id: '1' })
    const saved = vi.spyOn(source, 'saveCheckpoint').mockImplementationOnce(async () => {
      throw new IpcError('ERR_IPC_ADDRESS_IN_USE', 'another bridge has the checkpoint')
    })
    const opened = vi.spyOn(source, 'open')
    const bridge = await open()
    onTestFinished(() => bridge.close())
    await until(() => ids.length === 1)
    // The other checkpoint was read before it was replaced.
    expect(opened).toHaveBeenCalledTimes(2)
    expect(saved.mock.invocationCallOrder[0]).toBeLessThan(opened.mock.invocationCallOrder[1] as number)
    expect(states(events)).toEqual(['running'])
  })

  it('gives up when another bridge saves checkpoints all the time', async () => {
    const directory = temporaryDirectory()
    const { open, source, close } = wayIn(directory)
    vi.spyOn(source, 'saveCheckpoint').mockImplementation(async () => {
      throw new IpcError('ERR_IPC_ADDRESS_IN_USE', 'another bridge has the checkpoint')
    })
    expect(await rejectionOf(open())).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    expect(close).toHaveBeenCalledTimes(1)
  })

  it('reports why it cannot claim its consumer yet', async () => {
    const directory = temporaryDirectory()
    const { open, source, events } = wayIn(directory)
    vi.spyOn(source, 'saveCheckpoint').mockImplementationOnce(async () => {
      throw new Error('no permission')
    })
    const bridge = await open()
    onTestFinished(() => bridge.close())
    expect(states(events)).toEqual(['waiting', 'running'])
    expect(events[0]).toMatchObject({ error: { message: 'no permission' } })
  })

  it('fails when its source stops reading', async () => {
    const directory = temporaryDirectory()
    const { open, source, events } = wayIn(directory)
    source.read = () => ({
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
    })
    const bridge = await open()
    expect(await rejectionOf(bridge.ended)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(states(events)).toEqual(['running', 'failed'])
  })

  it('ends even if its source cannot be closed, and says so', async () => {
    const directory = temporaryDirectory()
    const { open, source } = wayIn(directory)
    const bridge = await open()
    vi.spyOn(source, 'close').mockRejectedValue(new Error('close failed'))
    expect(await rejectionOf(bridge.close())).toMatchObject({ message: 'close failed' })
    expect(await rejectionOf(bridge.ended)).toMatchObject({ message: 'close failed' })
  })
})

/** A way out whose message system is away, with a spool. */
async function wayOut(more: { directory?: string } = {}) {
  const { directory = temporaryDirectory() } = more
  const broker = new MemoryBroker()
  broker.isUp = false
  const sink = new MemorySink(broker)
  const path = join(directory, 'spool')
  const spool = await Spool.open({ directory: path })
  onTestFinished(() => spool.close())
  const events: BridgeEvent[] = []
  const open = async (options: Partial<OutBridgeOptions> = { spool }): Promise<OutBridge> => {
    const bridge = await OutBridge.open({
      from: 'test',
      listen: { directory },
      sink,
      host: 'h',
      minBackoffMs: 1,
      maxBackoffMs: 5,
      onEvent: (event) => events.push(event),
      ...options,
    })
    onTestFinished(() => bridge.close({ timeoutMs: 1 }).catch(() => undefined))
    return bridge
  }
  const sender = new AcknowledgedSender('test', { directory, minBackoffMs: 1, maxBackoffMs: 10 })
  onTestFinished(() => sender.close({ timeoutMs: 1 }).catch(() => undefined))
  return { directory, broker, sink, spool, path, events, open, sender }
}

const ten = (mark: string) => Array.from({ length: 10 }, () => newSOCMessage('soc_event', { mark }))

/** Changes a byte of the record in which the text is. */
function damage(path: string, text: string): void {
  for (const name of readdirSync(path).filter((each) => each.endsWith('.log'))) {
    const at = readFileSync(join(path, name)).indexOf(text)
    if (at < 0) continue
    const descriptor = openSync(join(path, name), 'r+')
    writeSync(descriptor, '#', at)
    closeSync(descriptor)
    return
  }
  throw new Error(`${text} is not in the spool`)
}

/** Makes writes to a spool fail until it is stopped. */
function failAppends(spool: Spool, error: () => IpcError): { readonly calls: number; stop(): void } {
  const append = vi.spyOn(spool, 'append').mockImplementation(() => {
    const durable = Promise.reject(error())
    durable.catch(() => undefined)
    return { first: spool.next, durable }
  })
  return {
    get calls() {
      return append.mock.calls.length
    },
    stop: () => {
      append.mockRestore()
    },
  }
}

const eio = (): never => {
  throw new Error('EIO')
}

describe('a way out', () => {
  it.each(['read', 'settle'] as const)('fails when its spool cannot %s', async (what) => {
    const { open, broker, sink, spool, events, sender } = await wayOut()
    const bridge = await open()
    await sender.sendBatch(ten('a'))
    vi.spyOn(spool, what).mockImplementation(eio)
    const close = vi.spyOn(spool, 'close')
    broker.isUp = true
    expect(await rejectionOf(bridge.ended)).toMatchObject({ message: 'EIO' })
    expect(bridge.state).toBe('failed')
    expect(states(events)).toEqual(['running', 'failed'])
    expect(close).toHaveBeenCalledTimes(1)
    expect(sink.closed).toBe(true)
  })

  it('fails when its sink throws where it may not', async () => {
    const { open, broker, sink, events, sender } = await wayOut()
    const bridge = await open({})
    void sender.sendBatch(ten('a')).catch(() => undefined)
    await until(() => bridge.stats.received === 10)
    vi.spyOn(sink, 'limits', 'get').mockImplementation(eio)
    broker.isUp = true
    expect(await rejectionOf(bridge.ended)).toMatchObject({ message: 'EIO' })
    expect(states(events)).toEqual(['running', 'failed'])
  })

  it('fails when its spool is closed under it', async () => {
    const { open, spool, sender } = await wayOut()
    const bridge = await open()
    await spool.close()
    void sender.sendBatch(ten('a')).catch(() => undefined)
    expect(await rejectionOf(bridge.ended)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })

  it('reports a spool that cannot be written, once, and runs again when it can', async () => {
    const { open, broker, spool, events, sender } = await wayOut()
    broker.isUp = true
    const bridge = await open()
    await until(() => bridge.state === 'running')
    const failing = failAppends(spool, () => new IpcError('ERR_IPC_SYSTEM', 'EIO'))
    const sent = sender.sendBatch(ten('a'))
    await until(() => failing.calls >= 3)
    expect(states(events)).toEqual(['running', 'waiting'])
    expect(events[1]).toMatchObject({ error: { message: 'EIO' } })
    failing.stop()
    await sent
    await until(() => bridge.stats.delivered === 10)
    expect(states(events)).toEqual(['running', 'waiting', 'running'])
  })

  it('reports a full disk while its message system is away, and waits until both work', async () => {
    const { open, broker, spool, events, sender } = await wayOut()
    const bridge = await open()
    const failing = failAppends(
      spool,
      () => new IpcError('ERR_IPC_BUFFER_FULL', 'no space', { reason: 'disk-full' }),
    )
    const sent = sender.sendBatch(ten('a'))
    await until(() => failing.calls >= 2)
    expect(events).toMatchObject([{ state: 'waiting', error: { message: 'no space' } }])
    broker.isUp = true
    await pause(50, undefined, 'the test')
    expect(bridge.state).toBe('waiting')
    failing.stop()
    await sent
    await until(() => bridge.stats.delivered === 10)
    expect(states(events)).toEqual(['waiting', 'running'])
  })

  it('does not report a spool that is full of messages: its senders wait', async () => {
    const { open, broker, spool, events, sender } = await wayOut()
    broker.isUp = true
    const bridge = await open()
    await until(() => bridge.state === 'running')
    const failing = vi.spyOn(spool, 'fits').mockReturnValue(false)
    const sent = sender.sendBatch(ten('a'))
    await until(() => failing.mock.calls.length >= 2)
    failing.mockRestore()
    await sent
    expect(states(events)).toEqual(['running'])
  })

  it('that fails while it closes waits no longer, and says so', async () => {
    const { open, broker, spool, events, sender } = await wayOut()
    const bridge = await open()
    await sender.sendBatch(ten('a'))
    const closed = bridge.close({ timeoutMs: 60_000 })
    vi.spyOn(spool, 'read').mockImplementation(eio)
    broker.isUp = true
    await closed
    expect(await rejectionOf(bridge.ended)).toMatchObject({ message: 'EIO' })
    expect(states(events)).toEqual(['running', 'failed'])
  })

  it('does not count messages that were damaged before it was opened', async () => {
    const before = await wayOut()
    const first = await before.open()
    for (const mark of ['a', 'b', 'c']) await before.sender.sendBatch(ten(mark))
    await first.close({ timeoutMs: 1 })
    await before.sender.close()
    damage(before.path, '"mark":"b"')
    const { open, broker } = await wayOut(before)
    const bridge = await open()
    expect(bridge.stats).toMatchObject({ received: 20, delivered: 0, pending: 20 })
    broker.isUp = true
    await until(() => bridge.stats.delivered === 20)
    expect(bridge.stats).toMatchObject({ received: 20, pending: 0 })
  })

  it.each([
    ['some', ['b'], 20],
    ['all', ['a', 'b', 'c'], 0],
  ])('counts messages that are damaged while they wait: %s', async (_what, marks, delivered) => {
    const { open, broker, path, sender } = await wayOut()
    const bridge = await open()
    for (const mark of ['a', 'b', 'c']) await sender.sendBatch(ten(mark))
    for (const mark of marks) damage(path, `"mark":"${mark}"`)
    expect(bridge.stats.pending).toBe(30)
    const before = performance.now()
    const closed = bridge.close({ timeoutMs: 15_000 })
    broker.isUp = true
    await closed
    // Nothing is left to wait for.
    expect(performance.now() - before).toBeLessThan(10_000)
    expect(bridge.stats).toMatchObject({ received: 30, delivered, pending: 0 })
  })

  it('keeps batches large with a spool of 4 GiB', async () => {
    const { directory, open, broker, sender } = await wayOut()
    const spool = await Spool.open({ directory: join(directory, 'large'), maxBytes: 2 ** 32 })
    const bridge = await open({ spool })
    await sender.sendBatch(ten('a'))
    broker.isUp = true
    await until(() => bridge.stats.delivered === 10)
    expect(bridge.stats.batches).toBe(1)
  })

  it('refuses a message that its spool could never hold, and carries the others', async () => {
    const { directory, open, broker, sender, events } = await wayOut()
    broker.isUp = true
    const spool = await Spool.open({ directory: join(directory, 'small'), maxBytes: 1 << 16 })
    const bridge = await open({ spool })
    const plain = new Sender(await dial('test', { directory }), 'plain')
    onTestFinished(() => plain.close())
    await plain.send(newSOCMessage('soc_event', 'x'.repeat(1 << 16)))
    await plain.send(newSOCMessage('soc_event', 'y'))
    await until(() => bridge.stats.delivered === 1)
    expect(bridge.stats).toMatchObject({ received: 2, deadLetters: 1, pending: 0 })
    expect(events).toContainEqual(expect.objectContaining({ type: 'dead-letter', reason: 'too-large' }))
    await until(() => sender.state === 'acknowledging')
    const tooLong = rejectionOf(sender.send(newSOCMessage('soc_event', 'x'.repeat(1 << 16))))
    expect(await tooLong).toMatchObject({ code: 'ERR_IPC_MESSAGE_TOO_LARGE' })
  })

  it('that is given the spool of something else releases everything', async () => {
    const { directory, open, sink, path, spool } = await wayOut()
    await spool.add(newSOCMessage('soc_event', { a: 1 }))
    const error = await rejectionOf(open())
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect((error as Error).message).toContain(path)
    expect(sink.closed).toBe(true)
    await listening(directory)
    const again = await Spool.open({ directory: path })
    expect(again.messages).toBe(1)
    await again.close()
  })

  it('whose spool cannot be read releases everything', async () => {
    const { directory, open, sink, path, spool } = await wayOut()
    vi.spyOn(spool, 'read').mockImplementation(eio)
    expect(await rejectionOf(open())).toMatchObject({ message: 'EIO' })
    expect(sink.closed).toBe(true)
    await listening(directory)
    await (await Spool.open({ directory: path })).close()
  })

  it('leaves a spool open that something else uses', async () => {
    const { directory, open, sink, spool } = await wayOut()
    const other = new AcknowledgedSender('other', { directory, spool })
    onTestFinished(() => other.close({ timeoutMs: 1 }).catch(() => undefined))
    expect(await rejectionOf(open())).toBeInstanceOf(TypeError)
    expect(sink.closed).toBe(true)
    expect(await other.send(newSOCMessage('soc_event', 1))).toMatchObject({ status: 'spooled' })
    await listening(directory)
  })
})
