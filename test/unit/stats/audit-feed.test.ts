// The audit events that a reader of a process's counts follows.

import { describe, expect, it } from 'vitest'

import { reportUserError } from '../../../lib/base/user-code.js'
import { listen } from '../../../lib/connection/listener.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { serve } from '../../../lib/services/server.js'
import type { AuditRecord } from '../../../lib/stats/audit-feed.js'
import { openStats, readStats, type StatsReader } from '../../../lib/stats/stats-reader.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { exposed } from '../../support/stats.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('audit events', () => {
  it('are refused if they have another shape', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listen('service.stats', { directory }), async (client) => {
      const endpoint = new Endpoint(client, 'other')
      endpoint.respond('sentinel_audit', () => {
        void endpoint.send(newSOCMessage('sentinel_audit_event', { event: 'accept', timeMs: 1 }))
        void endpoint.send(newSOCMessage('sentinel_audit_event', { event: 'accept', timeMs: '1' }))
      })
      await endpoint.whenClosed()
    })
    const reader = await openStats('service', { directory })
    const events = await reader.follow()
    expect(await events.next()).toMatchObject({ value: { event: 'accept', timeMs: 1 } })
    expect(await rejectionOf(events.next())).toMatchObject({
      code: 'ERR_IPC_INVALID_MESSAGE',
      message: expect.stringContaining('timeMs is missing or invalid') as string,
    })
    reader.close()
    await server.close({ timeoutMs: 10 })
  })

  async function following(reader: StatsReader): Promise<AuditRecord[]> {
    const records: AuditRecord[] = []
    const events = await reader.follow()
    void (async () => {
      for await (const record of events) records.push(record)
    })().catch(() => undefined)
    return records
  }

  it('come as they happen, without the ones that reading causes', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    await readStats('service', options)
    const { client, server, listener } = await connectedPair()
    client.destroy()
    new Receiver(server, 'r')
    await server.whenClosed()
    await until(() => records.filter(({ event }) => event === 'close').length === 2)
    const seen = records.map(({ event, address, reason }) => [event, address, reason])
    expect(seen.sort()).toEqual(
      [
        ['accept', listener.address, undefined],
        ['close', listener.address, 'closed'],
        ['close', listener.address, 'peer-closed'],
      ].sort(),
    )
    expect(records[0]).toHaveProperty('peer.pid', process.pid)
    reader.close()
  })

  it('carry errors as plain objects', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    const { client, server } = await connectedPair()
    new Receiver(server, 'r', { onInvalid: 'skip' })
    await new Sender(client, 's').send(newSOCMessage('a', 'fine'))
    const listener = await listen('raw', { directory: temporaryDirectory() })
    const { connect } = await import('node:net')
    const raw = connect(listener.address)
    new Receiver(await listener.accept(), 'r', { onInvalid: 'skip' })
    raw.end('nonsense\n')
    await until(() => records.some(({ event }) => event === 'invalid'))
    const record = records.find(({ event }) => event === 'invalid')
    expect(record).toMatchObject({ error: { code: 'ERR_IPC_INVALID_MESSAGE' } })
    expect((record as { error?: { message?: string } }).error?.message).toContain('nonsense')
    listener.close()
    reader.close()
  })

  it('carry whatever a callback throws', async () => {
    const { options } = await exposed()
    const reader = await openStats('service', options)
    const records = await following(reader)
    const thrown = [
      Object.assign(new Error(), { message: { status: 400 } }),
      Object.assign(new Error('big'), { code: 5n }),
      Object.defineProperty(new Error(), 'message', {
        get: () => {
          throw new Error('no message')
        },
      }),
      Object.assign(new Error('plain'), { code: 'EPLAIN' }),
    ]
    for (const error of thrown) reportUserError('test', error)
    await until(() => records.length === thrown.length)
    expect(records.map(({ error }) => error)).toEqual([
      { message: '[object Object]' },
      { message: 'big' },
      { message: 'a value that cannot become text' },
      { message: 'plain', code: 'EPLAIN' },
    ])
    reader.close()
  })

  it('cost nothing once the last follower has left', async () => {
    const { channel } = await import('node:diagnostics_channel')
    const { options } = await exposed()
    const reader = await openStats('service', options)
    await following(reader)
    expect(channel('sentinel-ipc:invalid').hasSubscribers).toBe(true)
    reader.close()
    await until(() => !channel('sentinel-ipc:invalid').hasSubscribers)
  })
})
