// A spool whose calls throw, reject or hang: the sender says so, and ends in a stated way.

import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { IpcError } from '../../../lib/base/errors.js'
import type { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../../../lib/delivery/sender/options.js'
import { LogFiles } from '../../../lib/spool/log-files.js'
import { Spool } from '../../../lib/spool/spool.js'
import { expectBalance, idsTo, receiving, sender, sums } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { MemorySpool } from '../../support/memory-spool.js'
import { numbered } from '../../support/messages.js'
import { rejectionOf, until } from '../../support/wait.js'

interface Faulty {
  readonly directory: string
  readonly spool: MemorySpool
  readonly made: AcknowledgedSender
  readonly events: DeliveryEvent[]
}

function faulty(maxBytes?: number): Faulty {
  const directory = temporaryDirectory()
  const spool = new MemorySpool(maxBytes)
  const events: DeliveryEvent[] = []
  const made = sender(directory, { spool, onFull: 'drop-oldest', onEvent: (event) => events.push(event) })
  return { directory, spool, made, events }
}

const DISK = new IpcError('ERR_IPC_SYSTEM', 'the disk cannot be read')

async function expectFailed(
  { made, events, spool }: Faulty,
  error: object,
  gaveUp: 'something' | 'nothing' = 'nothing',
): Promise<void> {
  await until(() => made.state === 'failed')
  await until(() => events.some(({ type }) => type === 'failed'))
  expect(events.filter(({ type }) => type === 'failed')).toMatchObject([{ error }])
  expect(await rejectionOf(made.sendBatch(numbered(1)))).toMatchObject({
    code: 'ERR_IPC_CLOSED',
    cause: error,
  })
  expect(await rejectionOf(made.drained())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  expect(sums(made)).toBe(true)
  // What the spool has is not given up: it stays there for the next process.
  if (gaveUp === 'nothing') await made.close()
  else expect(await rejectionOf(made.close())).toMatchObject(error)
  expect(spool.closed).toBe(true)
  expectBalance(made.stats)
}

describe('a spool whose call throws ends its sender with an event', () => {
  it.each<[call: 'read' | 'settle', error: Error, expected: object]>([
    ['read', DISK, { code: 'ERR_IPC_SYSTEM', reason: 'spool-failed', cause: DISK }],
    ['read', new IpcError('ERR_IPC_CLOSED', 'the spool is closed'), { code: 'ERR_IPC_CLOSED' }],
    ['settle', new Error('not an error of this package'), { code: 'ERR_IPC_SYSTEM' }],
  ])('%s: %s', async (call, error, expected) => {
    const each = faulty()
    expect(await each.made.sendBatch(numbered(10))).toEqual({ status: 'spooled' })
    each.spool.broken = { call, error }
    if (call === 'read') {
      // What was sent before is read again from the disk.
      each.spool.lose(1, 1, DISK)
    }
    await receiving(each.directory)
    await expectFailed(each, expected)
    expect(each.made.stats.pending).toBe(call === 'read' ? 9 : 10)
  })

  it('append: the messages are given up, and their send rejects', async () => {
    const each = faulty()
    each.spool.broken = { call: 'append', error: DISK }
    expect(await rejectionOf(each.made.sendBatch(numbered(3)))).toMatchObject({ code: 'ERR_IPC_SYSTEM' })
    expect(each.made.stats).toMatchObject({ accepted: 3, dropped: 3, droppedBy: { storage: 3 } })
    await expectFailed(each, { code: 'ERR_IPC_SYSTEM', reason: 'spool-failed' }, 'something')
  })

  it('makeRoom: the send rejects, and nothing was taken', async () => {
    const each = faulty(2000)
    await each.made.sendBatch(numbered(10))
    each.spool.broken = { call: 'makeRoom', error: DISK }
    expect(await rejectionOf(each.made.sendBatch(numbered(20)))).toMatchObject({ reason: 'spool-failed' })
    expect(each.made.stats).toMatchObject({ accepted: 10, dropped: 0, pending: 10 })
    await expectFailed(each, { reason: 'spool-failed' })
  })

  it('expire: which no call of the application has caused', async () => {
    const each = faulty()
    each.spool.broken = { call: 'expire', error: DISK }
    await expectFailed(each, { reason: 'spool-failed' })
  })

  it('after the application has closed a spool that is in use', async () => {
    const directory = temporaryDirectory()
    const spool = await Spool.open({ directory: join(directory, 'spool') })
    const events: DeliveryEvent[] = []
    const made = sender(directory, { spool, maxMessages: 10, onEvent: (event) => events.push(event) })
    for (let i = 0; i < 20; ++i) await made.sendBatch(numbered(5))
    await spool.close()
    await receiving(directory)
    await until(() => made.state === 'failed')
    expect(events.at(-1)).toMatchObject({ type: 'failed', error: { code: 'ERR_IPC_CLOSED' } })
    await made.close()
  })
})

it('a full disk rejects the send as the spool itself does, and is not the end', async () => {
  const { made, spool, directory } = faulty()
  spool.failure = new IpcError('ERR_IPC_BUFFER_FULL', 'the file system is full', { reason: 'disk-full' })
  expect(await rejectionOf(made.sendBatch(numbered(3)))).toMatchObject({
    code: 'ERR_IPC_BUFFER_FULL',
    reason: 'disk-full',
  })
  spool.failure = undefined
  expect(await made.sendBatch(numbered(3))).toEqual({ status: 'spooled' })
  await receiving(directory)
  await made.flush()
  expect(made.stats).toMatchObject({ accepted: 6, acknowledged: 3, droppedBy: { storage: 3 } })
  expect(made.state).toBe('acknowledging')
})

it('messages that a failed spool may have kept are neither spooled nor dropped, and the next process decides', async () => {
  const directory = temporaryDirectory()
  const spool = await Spool.open({ directory: join(directory, 'spool'), durability: 'fsync' })
  const events: DeliveryEvent[] = []
  const made = sender(directory, { spool, onEvent: (event) => events.push(event) })
  await made.sendBatch(numbered(1))
  vi.spyOn(LogFiles.prototype, 'sync').mockRejectedValueOnce(new Error('EIO'))
  vi.spyOn(LogFiles.prototype, 'truncate').mockRejectedValue(new Error('EIO'))
  onTestFinished(() => void vi.restoreAllMocks())
  const unknown = made.sendBatch(numbered(2, 1))
  await new Promise<void>((resolve) => {
    process.nextTick(resolve)
  })
  const behind = made.sendBatch(numbered(4, 3))
  expect(await rejectionOf(unknown)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'maybe-kept' })
  expect(await rejectionOf(behind)).toMatchObject({ code: 'ERR_IPC_SYSTEM', reason: 'spool-failed' })
  await until(() => made.state === 'failed')
  expect(events.at(-1)).toMatchObject({ type: 'failed', error: { reason: 'spool-failed' } })
  expect(made.stats).toMatchObject({ accepted: 7, pending: 3, dropped: 4, droppedBy: { storage: 4 } })
  expect(await rejectionOf(made.close())).toMatchObject({ reason: 'spool-failed' })
  vi.restoreAllMocks()
  const again = await Spool.open({ directory: join(directory, 'spool') })
  const next = sender(directory, { spool: again })
  const { ids } = await receiving(directory)
  await next.flush()
  expect(next.stats).toMatchObject({ recovered: 3, acknowledged: 3 })
  expect(ids).toEqual(idsTo(3))
  await next.close()
})

describe('a disk that hangs', () => {
  it('does not make close hang while messages are to be kept', async () => {
    const { made, spool } = faulty()
    spool.hangs = true
    void made.sendBatch(numbered(3))
    const startedAt = performance.now()
    expect(await rejectionOf(made.close({ timeoutMs: 50 }))).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'spool-hangs',
      cause: { code: 'ERR_IPC_TIMEOUT' },
    })
    expect(performance.now() - startedAt).toBeLessThan(5000)
    expect(made.state).toBe('closed')
  })

  it('does not make close hang when nothing is left to do but to close the spool', async () => {
    const { made, spool } = faulty()
    spool.hangs = true
    expect(await rejectionOf(made.close())).toMatchObject({ reason: 'spool-hangs' })
  })
})
