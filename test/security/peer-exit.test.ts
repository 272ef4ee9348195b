// The end of a peer's process is reported even if another process holds its end of the connection.

import { describe, expect, it, onTestFinished } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import { startChild, type Child } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair, listening } from '../support/pair.js'
import { until } from '../support/wait.js'

/** A process at the other end, a child of which keeps the connection open. */
async function heldByAnother(): Promise<{ child: Child; connection: Connection }> {
  const listener = await listening(temporaryDirectory())
  const child = startChild('forker', { address: listener.address })
  const connection = await listener.accept()
  const { holder } = await child.report<{ holder: number }>()
  onTestFinished(() => {
    process.kill(holder, 'SIGKILL')
  })
  return { child, connection }
}

describe('the end of the process behind a connection', () => {
  it('is reported even if a child of it keeps the connection open', async () => {
    const { child, connection } = await heldByAnother()
    const { peerExited } = connection
    expect(peerExited.aborted).toBe(false)
    child.send('end')
    await child.exited
    await until(() => peerExited.aborted)
    expect(connection.closed).toBe(false)
    // A watch that begins only now reports it at once.
    connection.destroy()
  })

  it('is reported at once for a process that has already ended', async () => {
    const { child, connection } = await heldByAnother()
    await child.kill()
    const { peerExited } = connection
    await until(() => peerExited.aborted)
    connection.destroy()
  })

  it('leaves nothing behind for connections that end before', async () => {
    const { client, server } = await connectedPair()
    const signals = [client.peerExited, server.peerExited]
    expect(client.peerExited).toBe(signals[0])
    client.destroy()
    server.destroy()
    await Promise.all([client.whenClosed(), server.whenClosed()])
    expect(signals.map((signal) => signal.aborted)).toEqual([false, false])
  })
})
