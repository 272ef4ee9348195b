// An acknowledged sender with a spool: restarts, bounds, ages and order.

import fc from 'fast-check'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import type { AcknowledgedSenderOptions } from '../../../lib/delivery/sender/options.js'
import type { SpoolOptions } from '../../../lib/spool/options.js'
import { Spool } from '../../../lib/spool/spool.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf } from '../../support/wait.js'

const TYPES = ['soc_heartbeat', 'soc_event', 'soc_incident'] as const

async function spooled(
  directory: string,
  options: AcknowledgedSenderOptions = {},
  spoolOptions: Partial<SpoolOptions> = {},
): Promise<AcknowledgedSender> {
  const spool = await Spool.open({ directory: join(directory, 'spool'), ...spoolOptions })
  const made = new AcknowledgedSender('test', {
    directory,
    spool,
    minBackoffMs: 1,
    maxBackoffMs: 10,
    ...options,
  })
  onTestFinished(() => made.close({ timeoutMs: 1 }))
  return made
}

async function receiving(
  directory: string,
): Promise<{ ids: string[]; payloads: unknown[]; receivers: AcknowledgingReceiver[]; stop(): void }> {
  const listener = await listening(directory)
  const ledger = new DeliveryLedger()
  const ids: string[] = []
  const payloads: unknown[] = []
  const receivers: AcknowledgingReceiver[] = []
  void (async () => {
    for await (const connection of listener) {
      const receiver = new AcknowledgingReceiver(connection, 'r', { ledger })
      receivers.push(receiver)
      void (async () => {
        for await (const message of receiver) {
          ids.push(message.id)
          payloads.push(message.payload)
        }
      })().catch(() => undefined)
    }
  })()
  const stop = (): void => {
    listener.close()
    for (const { connection } of receivers) connection.destroy()
  }
  onTestFinished(stop)
  return { ids, payloads, receivers, stop }
}

function sums(made: AcknowledgedSender): boolean {
  const { accepted, acknowledged, written, pending, dropped } = made.stats
  return accepted === acknowledged + written + pending + dropped
}

describe('send', () => {
  it('resolves when the message is in the spool, whether or not anybody listens', async () => {
    const directory = temporaryDirectory()
    const made = await spooled(directory, {}, { durability: 'fsync' })
    expect(await made.send(newSOCMessage('soc_event', 1, { id: '0' }))).toEqual({ status: 'spooled' })
    expect(made.stats).toMatchObject({ accepted: 1, pending: 1, acknowledged: 0 })
    const { ids } = await receiving(directory)
    await made.flush()
    expect(ids).toEqual(['0'])
    expect(made.stats).toMatchObject({ accepted: 1, pending: 0, acknowledged: 1 })
  })

  it('refuses raw text that is no JSON before it gets anywhere', async () => {
    const made = await spooled(temporaryDirectory())
    const batch = [newSOCMessage('a', 1), newSOCMessage('a', rawJSON('{'))]
    expect(await rejectionOf(made.sendBatch(batch))).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(made.stats.accepted).toBe(0)
  })

  it('does not send what its maker writes into a buffer afterwards', async () => {
    const directory = temporaryDirectory()
    const made = await spooled(directory)
    const payload = Buffer.from('{"a":1}')
    await made.send(newSOCMessage('a', rawJSON(payload), { id: '0' }))
    payload.fill('x')
    const { ids } = await receiving(directory)
    await made.flush()
    expect(ids).toEqual(['0'])
  })

  it('has room again when the spool has what came, whether or not anybody listens', async () => {
    const made = await spooled(temporaryDirectory(), { maxMessages: 10 })
    const sent = made.sendBatch(Array.from({ length: 10 }, (_, i) => newSOCMessage('soc_event', i)))
    await made.drained()
    expect(await sent).toEqual({ status: 'spooled' })
    expect(made.pending).toBe(10)
  })

  it('goes through the disk in order when memory is too small', async () => {
    const directory = temporaryDirectory()
    const made = await spooled(directory, { maxMessages: 50 })
    for (let i = 0; i < 1000; i += 25) {
      await made.sendBatch(
        Array.from({ length: 25 }, (_, j) => newSOCMessage('soc_event', { i }, { id: String(i + j) })),
      )
    }
    const { ids } = await receiving(directory)
    await made.flush()
    expect(ids).toEqual(Array.from({ length: 1000 }, (_, i) => String(i)))
  })
})

describe('a lost connection', () => {
  it('costs nothing, in records that are large enough for their memory to be used again', async () => {
    const directory = temporaryDirectory()
    const { payloads, receivers } = await receiving(directory)
    const made = await spooled(directory, { maxMessages: 4000 })
    const expected: string[] = []
    for (let batch = 0; batch < 120; ++batch) {
      const texts = Array.from({ length: 300 }, (_, i) => `${batch}.${i}.`.padEnd(250, String(batch)))
      expected.push(...texts)
      void made.sendBatch(texts.map((text) => newSOCMessage('soc_event', text)))
      await made.drained()
      if (batch % 12 === 6) receivers.at(-1)?.connection.destroy()
      if (batch % 3 === 0) await new Promise(setImmediate)
    }
    await made.flush()
    expect(receivers.length).toBeGreaterThan(2)
    expect(payloads.length).toBe(expected.length)
    expect(payloads.findIndex((payload, i) => payload !== expected[i])).toBe(-1)
    expect(made.stats).toMatchObject({ accepted: 36_000, acknowledged: 36_000, pending: 0, dropped: 0 })
  })
})

describe('a full spool', () => {
  it.each(['reject', 'drop-oldest', 'drop-newest', 'shed'] as const)('is handled by %s', async (onFull) => {
    const directory = temporaryDirectory()
    const made = await spooled(directory, { onFull }, { maxBytes: 4000 })
    const ids: string[] = []
    for (let i = 0; i < 60; ++i) {
      const outcome = made.send(newSOCMessage(TYPES[i % 3] as string, 'x'.repeat(100), { id: String(i) }))
      const error = await outcome.then(
        () => undefined,
        (failure: unknown) => failure,
      )
      if (error !== undefined) expect(error).toMatchObject({ code: 'ERR_IPC_BUFFER_FULL', reason: onFull })
      expect(sums(made)).toBe(true)
    }
    const { stats } = made
    expect(stats.accepted).toBe(onFull === 'reject' ? stats.pending : 60)
    const peer = await receiving(directory)
    await made.flush()
    ids.push(...peer.ids)
    expect(ids).toHaveLength(stats.pending)
    const types = ids.map((id) => TYPES[Number(id) % 3])
    if (onFull === 'shed') expect(types).not.toContain('soc_heartbeat')
    if (onFull === 'drop-oldest') expect(ids.at(-1)).toBe('59')
    if (onFull === 'drop-newest' || onFull === 'reject') expect(ids[0]).toBe('0')
    expect(sums(made)).toBe(true)
  })
})

describe('the counters and the order', () => {
  it('hold whatever happens, across restarts of the sender', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 12 }) },
      { weight: 2, arbitrary: fc.constantFrom('turn' as const, 'pause' as const) },
      { weight: 1, arbitrary: fc.constantFrom('cut' as const, 'restart' as const, 'listen' as const) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom('reject' as const, 'drop-oldest' as const, 'drop-newest' as const, 'shed' as const),
        async (steps, onFull) => {
          const directory = temporaryDirectory()
          const options = { onFull, maxMessages: 30 }
          let made = await spooled(directory, options, { maxBytes: 8000 })
          let peer: Awaited<ReturnType<typeof receiving>> | undefined
          let sent = 0
          for (const each of steps) {
            if (typeof each === 'number') {
              void made
                .sendBatch(
                  Array.from({ length: each }, (_, i) =>
                    newSOCMessage(TYPES[(sent + i) % 3] as string, 'x'.repeat(50), { id: String(sent + i) }),
                  ),
                )
                .catch(() => undefined)
              sent += each
            } else if (each === 'turn') await new Promise(setImmediate)
            else if (each === 'pause') await new Promise((resolve) => setTimeout(resolve, 4))
            else if (each === 'cut') peer?.receivers.at(-1)?.connection.destroy()
            else if (each === 'listen') peer ??= await receiving(directory)
            else {
              await made.close({ timeoutMs: 1 })
              expect(sums(made)).toBe(true)
              made = await spooled(directory, options, { maxBytes: 8000 })
            }
            expect(sums(made)).toBe(true)
          }
          peer ??= await receiving(directory)
          await made.flush()
          expect(sums(made)).toBe(true)
          const numbers = peer.ids.map(Number)
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
          await made.close()
          peer.stop()
        },
      ),
      { numRuns: 25 },
    )
  })
})
