// What happens to an acknowledging receiver, as events of the shape that all objects share.

import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { LifecycleEvent } from '../../../lib/observe/lifecycle.js'
import { temporaryDirectory } from '../../support/directory.js'
import { numbered } from '../../support/messages.js'
import { listening } from '../../support/pair.js'
import { until } from '../../support/wait.js'

/** Enough that a receiver that hands out nothing stops reading. */
const MANY = 50_000

describe('an acknowledging receiver', () => {
  it('reports that its application takes too little, and that it reads again', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const events: LifecycleEvent[] = []
    const sender = new AcknowledgedSender('test', { directory, maxMessages: MANY, maxBytes: 1 << 30 })
    const sent = sender.sendBatch(numbered(MANY))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'slow', {
      autoAck: false,
      onEvent: (event) => events.push(event),
    })
    await until(() => events.length > 0)
    const source = {
      role: 'acknowledging-receiver',
      name: 'slow',
      address: listener.address,
      connection: receiver.connection.id,
    }
    expect(events).toEqual([{ ...source, type: 'paused', reason: 'application' }])
    let received = 0
    for await (const run of receiver.batches()) {
      receiver.acknowledge(run)
      if ((received += run.length) === MANY) break
    }
    await sent
    await receiver.close()
    await until(() => events.some(({ type }) => type === 'closed'))
    expect(events[1]).toMatchObject({ ...source, type: 'resumed' })
    expect((events[1] as LifecycleEvent & { type: 'resumed' }).pausedMs).toBeGreaterThan(0)
    expect(events.filter(({ type }) => type === 'closed')).toEqual([
      { ...source, type: 'closed', error: undefined },
    ])
    await sender.close()
  })

  it('reports why its connection was lost', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const events: LifecycleEvent[] = []
    const raw = connect(listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'strict', {
      maxInvalid: 0,
      onInvalid: 'skip',
      onEvent: (event) => events.push(event),
    })
    raw.write('no message\n')
    await expect(receiver.next()).rejects.toMatchObject({ reason: 'too-many-invalid' })
    await until(() => events.length > 0)
    expect(events).toMatchObject([
      { role: 'acknowledging-receiver', type: 'lost', error: { reason: 'too-many-invalid' } },
    ])
    raw.destroy()
  })
})
