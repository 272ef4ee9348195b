// What a sender may come back to after it was killed: its receiver must remember that until the sender's log has recorded that it
// is settled.

import { join } from 'node:path'
import { expect, it } from 'vitest'

import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Spool } from '../../../lib/spool/spool.js'
import { ackLine, GREETING, hello, rawPeer, sender } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { until } from '../../support/wait.js'

it('a settled message counts as one that may come again until the spool has recorded it', async () => {
  const directory = temporaryDirectory()
  const spool = await Spool.open({ directory: join(directory, 'spool') })
  const first = await spool.add([newSOCMessage('soc_event', 1), newSOCMessage('soc_event', 2)])
  spool.settle(first, first)
  expect(spool.settledThrough).toBe(1)
  expect(spool.recordedThrough).toBe(0)
  await until(() => spool.recordedThrough === 1)
  await spool.close()
})

it('a sender with a spool does not state a lowest number that is not recorded', async () => {
  const directory = temporaryDirectory()
  const { lines, sockets } = await rawPeer(directory)
  const spool = await Spool.open({ directory: join(directory, 'spool') })
  let recorded = 0
  Object.defineProperty(spool, 'recordedThrough', { get: () => recorded })
  const made = sender(directory, { spool, heartbeatMs: 10 })
  await until(() => lines.length > 0)
  sockets[0]?.write(ackLine(hello(lines).session, 0, GREETING))
  await made.send(newSOCMessage('soc_event', 1))
  await until(() => lines.some((line) => line.includes('"seq":1')))
  sockets[0]?.write(ackLine(hello(lines).session, 1))
  await until(() => made.pending === 0)
  const lowest = (): unknown => /"lowest":(\d+)/.exec(lines.at(-1) ?? '')?.[1]
  const stated = lines.length
  await until(() => lines.length > stated + 1)
  expect(lowest()).toBe('1')
  recorded = 1
  await until(() => lowest() === '2')
})

it('a session that is new to a receiver begins where its sender goes on, and still remembers', () => {
  const ledger = new DeliveryLedger()
  const session = ledger.open(0, 'ab'.repeat(16), 5, 9)
  expect(session.settledThrough).toBe(8)
  ledger.leave(session)
  expect(ledger.size).toBe(1)
  expect(session.state(9)).toBe(0)
  ledger.leave(session)
  expect(ledger.size).toBe(0)
})
