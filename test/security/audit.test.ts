// The events on the audit channels: connections, messages and refusals.

import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'

import type { CloseEvent, DropEvent, RejectEvent } from '../../lib/connection/audit.js'
import { BufferedSender } from '../../lib/endpoints/buffered-sender.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { heard } from '../support/audit.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair, listening } from '../support/pair.js'
import { strangers } from '../support/platform.js'
import { until } from '../support/wait.js'

describe('the audit channels', () => {
  it('report connections that begin and end, and why', async () => {
    const accepts = heard<{ peer: unknown }>('sentinel-ipc:accept')
    const closes = heard<CloseEvent>('sentinel-ipc:close')
    const { client, server } = await connectedPair()
    expect(accepts).toEqual([{ address: server.address, peer: server.peer }])
    const receiver = new Receiver(server, 'r')
    client.destroy()
    expect((await receiver.next()).done).toBe(true)
    await Promise.all([client.whenClosed(), server.whenClosed()])
    const ours = closes.filter((event) => event.address === server.address)
    expect(ours.map((event) => event.reason).sort()).toEqual(['closed', 'peer-closed'])
  })

  it('report messages that were accepted and dropped', async () => {
    const drops = heard<DropEvent>('sentinel-ipc:drop')
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    sender.send(newSOCMessage('a', rawJSON('{')))
    await sender.flush()
    await until(() => drops.length > 0)
    expect(drops).toEqual([{ address: client.address, peer: client.peer, count: 1, error: drops[0]?.error }])
    expect(drops[0]?.error.code).toBe('ERR_IPC_INVALID_MESSAGE')
    expect(sender.stats).toMatchObject({ accepted: 1, written: 0, pending: 0, dropped: 1 })
  })

  it('report refusals at a bounded rate, even while other clients are admitted all the time', async () => {
    const rejects = heard<RejectEvent>('sentinel-ipc:reject')
    const begin = performance.now()
    const listener = await listening(temporaryDirectory(), { maxConnectionsPerUser: 2 })
    const serving = (async () => {
      const kept = await listener.accept()
      for await (const connection of listener) connection.destroy()
      kept.destroy()
    })()
    const first = connect(listener.address)
    for (let round = 0; round < 25; ++round) {
      const sockets = Array.from({ length: 40 }, () => connect(listener.address).on('error', () => undefined))
      await Promise.all(
        sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve).resume())),
      )
    }
    listener.close()
    await serving
    first.destroy()
    const { accepted, refused } = listener.stats
    expect(accepted + refused).toBe(25 * 40 + 1)
    // One report every 100 ms, the first one at once and the last one on close.
    expect(rejects.length).toBeLessThanOrEqual(64 * ((performance.now() - begin) / 100 + 2))
    expect(rejects.reduce((sum, event) => sum + 1 + event.omitted, 0)).toBe(refused)
  })

  it('count refusals that they leave out', async () => {
    const rejects = heard<RejectEvent>('sentinel-ipc:reject')
    const listener = await listening(temporaryDirectory(), {
      policy: strangers,
      ...(process.platform !== 'win32' && { mode: 0o666 }),
    })
    const flood = 400
    for (let i = 0; i < flood; ++i) {
      const socket = connect(listener.address).on('error', () => undefined)
      if (i % 50 === 49) await new Promise((resolve) => socket.once('close', resolve).resume())
    }
    await until(() => listener.stats.refused >= flood - 50)
    await until(() => rejects.reduce((sum, event) => sum + 1 + event.omitted, 0) === listener.stats.refused)
    expect(rejects.length).toBeLessThan(listener.stats.refused)
  })
})
