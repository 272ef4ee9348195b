// What happens when there is no room, and that the counters add up whatever happens.

import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { SOCMsgType } from '../../../lib/message/type.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { idsTo, receiving, sender, sums } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('a full window', () => {
  it.each(['drop-oldest', 'drop-newest', 'shed'] as const)(
    'is handled by %s, and every loss counted',
    async (onFull) => {
      const directory = temporaryDirectory()
      const made = sender(directory, { maxMessages: 10, onFull })
      const types = [SOCMsgType.Heartbeat, SOCMsgType.Event, SOCMsgType.Incident]
      for (let i = 0; i < 30; ++i) void made.send(newSOCMessage(types[i % 3] as string, 1, { id: String(i) }))
      expect(made.stats).toMatchObject({ accepted: 30, pending: 10, dropped: 20 })
      const { ids, receivers } = await receiving(directory)
      await made.flush()
      expect(ids).toEqual(
        {
          'drop-oldest': idsTo(30).slice(20),
          'drop-newest': idsTo(10),
          shed: ['2', '5', '8', '11', '14', '17', '20', '23', '26', '29'],
        }[onFull],
      )
      expect(sums(made)).toBe(true)
      await made.close()
      expect(receivers[0]?.stats.duplicates).toBe(0)
    },
  )

  it('is refused by default, all of a batch or nothing, and there is a way to wait', async () => {
    const directory = temporaryDirectory()
    const made = sender(directory, { maxMessages: 10 })
    void made.sendBatch(numbered(8))
    expect(await rejectionOf(made.sendBatch(numbered(3, 8)))).toMatchObject({
      code: 'ERR_IPC_BUFFER_FULL',
      reason: 'reject',
    })
    expect(made.stats.accepted).toBe(8)
    const { ids } = await receiving(directory)
    await made.drained()
    await made.sendBatch(numbered(3, 8))
    expect(ids).toEqual(idsTo(11))
  })

  it('tells the receiver how many are missing', async () => {
    const directory = temporaryDirectory()
    const { receivers } = await receiving(directory)
    const made = sender(directory, { maxMessages: 100, onFull: 'drop-oldest' })
    await made.send(newSOCMessage('a', 1))
    for (let i = 0; i < 150; ++i) void made.send(newSOCMessage('a', 1))
    await made.flush()
    expect(receivers[0]?.stats).toMatchObject({ gaps: 1, lost: made.stats.dropped })
  })
})

describe('room', () => {
  it('is waited for without keeping the event loop from what else there is', async () => {
    const directory = temporaryDirectory()
    await receiving(directory)
    const made = sender(directory)
    let turns = 0
    const count = (): void => {
      ++turns
      counting = setImmediate(count)
    }
    let counting = setImmediate(count)
    onTestFinished(() => {
      clearImmediate(counting)
    })
    await made.send(newSOCMessage('soc_event', 1, { id: 'first' }))
    const before = turns
    // More than the kernel takes at once, and less than half of the room.
    for (let i = 0; i < 40; ++i) {
      void made.sendBatch(numbered(100, i * 100, 'x'.repeat(500)))
      await made.drained()
    }
    expect(turns).toBeGreaterThan(before)
  })
})

describe('a message that is given up', () => {
  it('is reported, whether it is in flight, laid out or waiting', async () => {
    for (const onFull of ['reject', 'drop-newest'] as const) {
      const directory = temporaryDirectory()
      const listener = await listening(directory)
      const given: string[] = []
      const made = sender(directory, {
        onFull,
        maxMessages: 20_000,
        onDrop: ({ count, messages, reason }) => {
          expect(messages).toHaveLength(count)
          expect(reason).toBe('timeout')
          given.push(...messages.map(({ id }) => id))
        },
      })
      const outcomes = Array.from({ length: 100 }, (_, i) =>
        made.sendBatch(numbered(100, i * 100, `"ü${'x'.repeat(100)}`)).catch((error: unknown) => error),
      )
      const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
      for (let i = 0; i < 151; ++i) expect((await receiver.next()).value?.id).toBe(String(i))
      await until(() => made.stats.acknowledged === 150)
      expect(await rejectionOf(made.close({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
      expect(given).toEqual(idsTo(10_000).slice(150))
      expect(made.stats).toMatchObject({ acknowledged: 150, pending: 0, droppedBy: { timeout: 9850 } })
      const settled = await Promise.all(outcomes)
      expect(settled[0]).toEqual({ status: 'acknowledged' })
      for (const outcome of settled.slice(1)) expect(outcome).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
      receiver.connection.destroy()
    }
  })

  it('is reported if it is invalid, even while no peer listens', async () => {
    const directory = temporaryDirectory()
    const drops: unknown[] = []
    const made = sender(directory, { onDrop: (drop) => drops.push(drop) })
    // So much is laid out at once.
    const sent = made.sendBatch([
      newSOCMessage('soc_event', rawJSON('{'), { id: 'bad' }),
      ...numbered(200, 0, 'x'.repeat(500)),
    ])
    await until(() => drops.length > 0)
    expect(drops).toMatchObject([{ count: 1, reason: 'invalid', messages: [{ id: 'bad' }] }])
    expect(made.stats).toMatchObject({ accepted: 201, pending: 200, dropped: 1 })
    const { ids } = await receiving(directory)
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect(ids).toEqual(idsTo(200))
  })
})

describe('the counters', () => {
  it('add up at every moment, whatever happens', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('send' as const),
        count: fc.integer({ min: 1, max: 30 }),
        bad: fc.boolean(),
      }),
      fc.constant({ kind: 'turn' as const }),
      fc.constant({ kind: 'cut' as const }),
      fc.constant({ kind: 'pause' as const }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom('reject' as const, 'drop-oldest' as const, 'drop-newest' as const, 'shed' as const),
        async (steps, onFull) => {
          const directory = temporaryDirectory()
          const peer = await receiving(directory)
          const { ids, connections, receivers } = peer
          const made = sender(directory, { maxMessages: 40, onFull })
          const types = ['soc_event', 'soc_incident', 'soc_heartbeat']
          let sent = 0
          for (const each of steps) {
            if (each.kind === 'send') {
              const batch = Array.from({ length: each.count }, (_, i) =>
                newSOCMessage(types[(sent + i) % 3] as string, rawJSON(each.bad && i === 1 ? '{' : '{}'), {
                  id: String(sent + i),
                }),
              )
              sent += each.count
              void made.sendBatch(batch).catch(() => undefined)
            } else if (each.kind === 'turn') await new Promise(setImmediate)
            else if (each.kind === 'pause') await new Promise((resolve) => setTimeout(resolve, 3))
            else connections.at(-1)?.destroy()
            expect(sums(made)).toBe(true)
          }
          await made.flush()
          expect(sums(made)).toBe(true)
          expect(made.stats.acknowledged).toBe(ids.length)
          expect(ids.map(Number)).toEqual([...new Set(ids.map(Number))].sort((a, b) => a - b))
          expect(receivers.reduce((sum, { stats }) => sum + stats.lost, 0)).toBeLessThanOrEqual(
            made.stats.droppedBy.full,
          )
          await made.close()
          peer.stop()
        },
      ),
      { numRuns: 25 },
    )
  })
})
