// A receiver that is closed while it has messages that it has read and not handed out, for each kind of sender: they are sent
// again, or they are lost and counted where they were promised to arrive at most once.

import { connect } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Spool } from '../../../lib/spool/spool.js'
import { expectBalance, idsTo, sender, senderTo, take } from '../../support/delivery.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

const ten = () => idsTo(10).map((id) => newSOCMessage('soc_event', id, { id }))

/** Takes three messages of ten that were read, and closes the receiver: two of them are accepted. */
async function closeEarly(receiver: AcknowledgingReceiver): Promise<void> {
  expect((await take(receiver, 3)).map(({ id }) => id)).toEqual(['0', '1', '2'])
  await until(() => receiver.stats.received === 10)
  await receiver.close()
  expectBalance(undefined, [receiver])
  expect(receiver.stats).toMatchObject({ accepted: 2, superseded: 8, released: 1, inHand: 0, waiting: 0 })
}

it.each(['in memory', 'in a spool'])('messages of an acknowledged sender, %s, come again', async (where) => {
  const options =
    where === 'in memory' ? {} : { spool: await Spool.open({ directory: `${temporaryDirectory()}/spool` }) }
  const { made, receive } = await senderTo(options)
  const sent = made.sendBatch(ten())
  const first = await receive()
  await closeEarly(first)
  expect(first.stats.lost).toBe(0)
  const second = await receive()
  const rest = await take(second, 8)
  expect(rest.map(({ id }) => id)).toEqual(idsTo(10).slice(2))
  expect(rest.map(({ deliveries }) => deliveries)).toEqual([2, 1, 1, 1, 1, 1, 1, 1])
  second.next().catch(() => undefined)
  await sent
  await made.flush()
  expect(made.stats).toMatchObject({ acknowledged: 10, pending: 0 })
  expect(second.stats).toMatchObject({ accepted: 8, lost: 0 })
})

it('messages that an acknowledged sender counts as written are lost, and counted at both ends', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const made = sender(directory, { onSilentPeer: 'written', answerTimeoutMs: 20 })
  const ledger = new DeliveryLedger()
  const late = await listener.accept()
  // The receiver begins to read when the sender no longer expects it to acknowledge.
  await until(() => made.state === 'unacknowledged')
  expect(await made.sendBatch(ten())).toMatchObject({ status: 'written' })
  await closeEarly(new AcknowledgingReceiver(late, 'first', { ledger }))
  const second = new AcknowledgingReceiver(await listener.accept(), 'second', { ledger })
  await until(() => made.state === 'acknowledging')
  expect(second.stats).toMatchObject({ gaps: 1, lost: 8, received: 0 })
  expect(made.stats).toMatchObject({ written: 10, pending: 0 })
  await second.close()
})

it('messages of a sender without numbers are lost, and counted', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const plain = new Sender(await dial('test', { directory }), 'plain')
  onTestFinished(() => plain.close())
  await plain.sendBatch(ten())
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  await closeEarly(receiver)
  expect(receiver.stats.lost).toBe(8)
  // The sender learns of the end with the next message.
  await expect(
    (async () => {
      for (;;) await plain.send(newSOCMessage('soc_event', 'more'))
    })(),
  ).rejects.toMatchObject({ code: 'ERR_IPC_CLOSED' })
})

it('messages of a peer that only knows lines, as in Go, are lost, and counted', async () => {
  const directory = temporaryDirectory()
  const listener = await listening(directory)
  const socket = connect(listener.address)
  onTestFinished(() => void socket.destroy())
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.resume().write(
    idsTo(10)
      .map((id) => `{"type":"soc_event","id":"${id}","ts":0,"payload":null}\n`)
      .join(''),
  )
  const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
  await closeEarly(receiver)
  expect(receiver.stats.lost).toBe(8)
  await ended
})
