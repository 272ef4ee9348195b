// Acknowledged delivery with a peer written in Go, which knows nothing of it: it reads the messages all the same.

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import type { DeliveryEvent } from '../../lib/delivery/sender/options.js'
import { listen } from '../../lib/connection/listener.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { buildGoPeer, hasGo, startGoPeer, whyNot } from './go-peer.js'

describe.skipIf(!hasGo)(`acknowledged delivery and a Go peer${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer()
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  it.each(['memory', 'spool'])(
    'is told that Go does not acknowledge, and Go reads messages from %s as they are',
    async (from) => {
      const directory = temporaryDirectory()
      const go = startGoPeer(program.path, 'soc-receive', join(directory, 'test.sock'))
      expect(await go.next()).toEqual({ listening: true })
      const events: DeliveryEvent[] = []
      const spool = from === 'spool' ? await Spool.open({ directory: join(directory, 'spool') }) : undefined
      const sender = new AcknowledgedSender('test', {
        directory,
        onSilentPeer: 'written',
        answerTimeoutMs: 50,
        onEvent: (event) => events.push(event),
        ...(spool !== undefined && { spool }),
      })
      await sender.sendBatch([
        newSOCMessage('soc_event', { text: 'ü 語' }, { id: '1', timestamp: 1 }),
        newSOCMessage('soc_incident', rawJSON('[1]'), { id: '2', timestamp: 2 }),
      ])
      await sender.close()
      expect(events).toMatchObject([
        { type: 'degraded', error: { code: 'ERR_IPC_TIMEOUT', reason: 'not-acknowledging' } },
        { type: 'connected', acknowledging: false },
        { type: 'closed' },
      ])
      expect(sender.stats).toMatchObject({ accepted: 2, written: 2, acknowledged: 0, pending: 0 })
      expect(await go.next()).toMatchObject({
        message: { type: 'soc_heartbeat', id: 'sentinel-delivery', payload: { next: 1, heartbeat_ms: 5000 } },
      })
      expect(await go.next()).toMatchObject({
        message: { type: 'soc_event', id: '1', ts: 1, payload: { text: 'ü 語' } },
      })
      expect(await go.next()).toMatchObject({
        message: { type: 'soc_incident', id: '2', ts: 2, payload: [1] },
      })
      expect(await go.next()).toEqual({ end: true })
    },
  )

  it('reads what Go sends as a plain receiver does', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    startGoPeer(program.path, 'soc-send', listener.address)
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'from-go')
    const types: string[] = []
    for await (const message of receiver) types.push(message.type)
    listener.close()
    expect(types).toEqual(['soc_event', 'soc_incident', 'soc_heartbeat', 'custom', 'soc_event', 'soc_ack'])
    expect(receiver.position).toBeUndefined()
    expect(receiver.stats).toMatchObject({ received: 6, delivered: 6, acknowledgements: 0, lost: 0 })
  })
})
