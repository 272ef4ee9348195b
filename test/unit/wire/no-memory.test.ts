// A kernel without memory for a write (ENOBUFS, ENOMEM) reports the socket as writable all the same: the write is tried again
// by a timer, and not in each turn of the event loop.

import { afterEach, describe, expect, it, vi } from 'vitest'

import { addon } from '../../../lib/binding/addon.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { connectedPair } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

const message = newSOCMessage('soc_event', 'x', { id: 'a' })

afterEach(() => {
  vi.restoreAllMocks()
})

/** Lets the kernel take nothing from the first connection that writes. Returns a function that returns how often it was asked. */
function exhaust(): () => number {
  const { writeBatch } = addon
  let exhausted: number | undefined
  let tries = 0
  vi.spyOn(addon, 'writeBatch').mockImplementation((descriptor, bytes, begin, end) => {
    exhausted ??= descriptor
    if (descriptor !== exhausted) return writeBatch(descriptor, bytes, begin, end)
    ++tries
    return 0
  })
  return () => tries
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function blocked(): Promise<{
  client: Connection
  server: Connection
  sent: Promise<void>
  tries: () => number
}> {
  const { client, server } = await connectedPair()
  const tries = exhaust()
  const sent = new Sender(client, 's', { timeoutMs: 5000 }).send(message)
  sent.catch(() => undefined)
  return { client, server, sent, tries }
}

// On Windows, libuv writes in the background and reports the error.
describe.skipIf(addon.readiness === undefined)('A write for which the kernel has no memory', () => {
  it('is tried again a few times, and completes when there is memory', async () => {
    const { server, sent, tries } = await blocked()
    const begin = performance.now()
    await until(() => tries() >= 3)
    await pause(300)
    // At once, when the socket is writable, and after waits of 5, 10, 20 … ms.
    expect(tries()).toBeLessThanOrEqual(3 + Math.log2(1 + (performance.now() - begin) / 5))
    vi.restoreAllMocks()
    await sent
    expect((await new Receiver(server, 'r').next()).value?.id).toBe('a')
  })

  it('does not stop reading', async () => {
    const { client, server, sent } = await blocked()
    await pause(50)
    const receiver = new Receiver(client, 'r')
    for (const id of ['b', 'c']) {
      await new Sender(server, 's').send(newSOCMessage('soc_event', 1, { id }))
      expect((await receiver.next()).value?.id).toBe(id)
    }
    vi.restoreAllMocks()
    await sent
  })

  it('ends with the connection, and its timer does not outlive it', async () => {
    const { client, sent, tries } = await blocked()
    await pause(30)
    client.destroy()
    expect(await rejectionOf(sent)).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    const before = tries()
    await pause(100)
    expect(tries()).toBe(before)
  })
})
