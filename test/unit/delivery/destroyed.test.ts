// The connection of an acknowledging receiver is destroyed, or the receiver closed, by a handler: what waits is not handled,
// not settled, and comes again with the next connection.

import { expect, it } from 'vitest'

import { newSOCMessage } from '../../../lib/message/new-message.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { expectBalance, senderTo } from '../../support/delivery.js'
import { connectedPair } from '../../support/pair.js'

const IDS = Array.from({ length: 20 }, (_, i) => String(i))

const WAYS: [string, (receiver: AcknowledgingReceiver) => void][] = [
  [
    'destroyed',
    (receiver) => {
      receiver.connection.destroy()
    },
  ],
  ['closed', (receiver) => void receiver.close()],
]

it.each(WAYS.flatMap(([way, end]) => [1, 3].map((concurrency) => ({ way, end, concurrency }))))(
  'No further handler begins once it is $way, with $concurrency at once',
  async ({ way, end, concurrency }) => {
    const { made, receive } = await senderTo()
    const sent = Promise.all(IDS.map((id) => made.send(newSOCMessage('soc_event', 1, { id }))))
    const first = await receive({ autoAck: false, maxUnacknowledged: concurrency })
    const begun: string[] = []
    await first.handle(
      async ({ id }) => {
        begun.push(id)
        if (id === '4') end(first)
        await Promise.resolve()
      },
      { concurrency },
    )
    const { accepted, superseded, delivered } = first.stats
    // A loop may have its next message in hand already.
    expect(begun.length).toBeLessThanOrEqual(5 + (way === 'closed' ? 0 : concurrency - 1))
    expect(accepted).toBeLessThanOrEqual(begun.length)
    expect(delivered).toBeLessThanOrEqual(5 + concurrency)
    expect(accepted + superseded).toBe(20)
    const second = await receive({ autoAck: false })
    const later: string[] = []
    void second.handle(({ id }) => void later.push(id))
    const outcomes = await sent
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['acknowledged']))
    expect(later.length).toBe(20 - accepted)
    expect([...new Set([...begun, ...later])]).toEqual(IDS)
    expectBalance(made.stats, [first, second])
  },
)

it('All messages that were read are handled when the peer ends the connection', async () => {
  const { client, server } = await connectedPair()
  const receiver = new AcknowledgingReceiver(server, 'r', { autoAck: false })
  await new Sender(client, 's').sendBatch(IDS.map((id) => newSOCMessage('soc_event', 1, { id })))
  const begun: string[] = []
  await receiver.handle(async ({ id }) => {
    begun.push(id)
    if (id === '4') {
      client.destroy()
      await server.whenClosed()
    }
  })
  expect(begun).toEqual(IDS)
  expect(receiver.stats).toMatchObject({ accepted: 20, lost: 0 })
})
