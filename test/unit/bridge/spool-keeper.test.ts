// A small spool under a bridge: each record fits it when it is empty, whatever the notes in the record take.

import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { BatchSpool } from '../../../lib/bridge/batch-spool.js'
import type { GatheredBatch, Origin } from '../../../lib/bridge/batches.js'
import type { Gatherer } from '../../../lib/bridge/gatherer.js'
import { BridgeLife } from '../../../lib/bridge/life.js'
import { Origins } from '../../../lib/bridge/origins.js'
import { OutBridge } from '../../../lib/bridge/out-bridge.js'
import { SpoolKeeper } from '../../../lib/bridge/spool-keeper.js'
import { Spool } from '../../../lib/spool/spool.js'
import { temporaryDirectory } from '../../support/directory.js'
import { rejectionOf, until } from '../../support/wait.js'
import { MemoryBroker, MemorySink } from '../../bridge/memory-broker.js'

const LINE = Buffer.from('{"type":"a","ts":0}\n')

it('A group of many short batches from services with long names fits the smallest spool', async () => {
  const spool = await Spool.open({ directory: join(temporaryDirectory(), 'spool'), maxBytes: 16_384 })
  const life = new BridgeLife(undefined)
  onTestFinished(async () => {
    life.end()
    await spool.close()
  })
  const origins = new Origins(100)
  const find = (session: string): Origin =>
    origins.find({ uid: 1, pid: 1, unit: `${'\\x2d'.repeat(60)}.service`, session })
  const batches = Array.from({ length: 200 }, (_, i): GatheredBatch => {
    const origin = find(String(i).padStart(32, '0'))
    return { type: 'a', count: 1, lines: LINE, stretches: [{ origin, first: 1, count: 1 }], taken: [] }
  })
  const gatherer = {
    get empty() {
      return batches.length === 0
    },
    take: () => batches.shift(),
  }
  let placed = 0
  const keeper: SpoolKeeper = new SpoolKeeper(
    new BatchSpool(spool, origins.find),
    gatherer as unknown as Gatherer,
    life,
    {
      maxGroupBytes: () => spool.maxBytes / 16,
      onKept: () => {
        for (let next = keeper.next(); next !== undefined; next = keeper.next()) {
          ++placed
          next.onPlaced?.()
        }
      },
      onSettled: () => undefined,
      onLost: () => undefined,
      onFailed: (error) => {
        throw error
      },
    },
  )
  void keeper.keep()
  await until(() => placed === 200, 10_000)
})

it('A spool that could not hold a group is refused, and stays open', async () => {
  const directory = temporaryDirectory()
  const spool = await Spool.open({ directory: join(directory, 'spool'), maxBytes: 16_383 })
  onTestFinished(() => spool.close())
  const sink = new MemorySink(new MemoryBroker())
  const error = await rejectionOf(
    OutBridge.open({ from: 'out', listen: { directory }, sink, host: 'h', spool }),
  )
  expect(error).toBeInstanceOf(RangeError)
  expect((error as Error).message).toMatch(/spool in .* holds at most 16383 bytes.* maxBytes of 16384/)
  expect(sink.closed).toBe(false)
  expect(spool.stats.bytes).toBe(0)
})
