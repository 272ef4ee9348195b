// Writing without the event loop, as at the end of a process; and withdrawing the waits of a buffered sender.

import { describe, expect, it } from 'vitest'

import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'
import { numbered } from '../../support/messages.js'
import { connectedPair, listening } from '../../support/pair.js'
import { windows } from '../../support/platform.js'
import { rejectionOf } from '../../support/wait.js'

const kinds = { Sender, BufferedSender }
const names = ['Sender', 'BufferedSender'] as const

describe.skipIf(windows)('flushSync', () => {
  // More than the kernel takes at once, so that the peer must read meanwhile.
  it.each(names)('of %s writes everything in a handler of the exit of the process', async (kind) => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const child = startChild('last-words', { directory, kind, count: 100, bytes: 20_000 })
    const receiver = new Receiver(await listener.accept(), 'r')
    for (let i = 0; i < 100; ++i) expect((await receiver.next()).value?.id).toBe(String(i))
    expect((await receiver.next()).done).toBe(true)
    expect(await child.exited).toEqual([0, null])
  })

  it.each(names)('of %s gives up after its time, and what is left is sent later', async (kind) => {
    const { client, server } = await connectedPair()
    const sender = new kinds[kind](client, 's')
    for (const message of numbered(100, 0, 'x'.repeat(20_000))) void sender.send(message)
    const began = performance.now()
    expect(sender.flushSync({ timeoutMs: 50 })).toBe(false)
    expect(performance.now() - began).toBeGreaterThanOrEqual(49)
    const receiver = new Receiver(server, 'r')
    for (let i = 0; i < 100; ++i) expect((await receiver.next()).value?.id).toBe(String(i))
    expect(sender.flushSync({ timeoutMs: 0 })).toBe(true)
  })

  it.each(names)('of %s has nothing to do where nothing waits, and reports what was lost', async (kind) => {
    const { client } = await connectedPair()
    const sender = new kinds[kind](client, 's')
    expect(sender.flushSync()).toBe(true)
    const sent = sender.send(newSOCMessage('a', 'x'.repeat(900_000)))
    sent?.catch(() => undefined)
    expect(sender.flushSync({ timeoutMs: 0 })).toBe(false)
    client.destroy()
    expect(sender.flushSync({ timeoutMs: 10_000 })).toBe(false)
  })

  it('refuses unknown options', async () => {
    const { client } = await connectedPair()
    expect(() => new Sender(client, 's').flushSync({ timeout: 1 } as object)).toThrow(
      new TypeError('flushSync has no option "timeout"; did you mean timeoutMs?'),
    )
  })
})

describe('a wait of a buffered sender', () => {
  it.each(['flush', 'drained'] as const)('(%s) can be withdrawn, and loses nothing', async (wait) => {
    const { client, server } = await connectedPair()
    const sender = new BufferedSender(client, 's', { capacity: 100 })
    for (const message of numbered(100, 0, 'x'.repeat(20_000))) sender.send(message)
    const error = await rejectionOf(sender[wait]({ signal: AbortSignal.timeout(20) }))
    expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED', message: `${wait} of s was aborted` })
    expect(await rejectionOf(sender[wait]({ sginal: 1 } as object))).toBeInstanceOf(TypeError)
    const receiver = new Receiver(server, 'r')
    const taken = (async () => {
      for (let i = 0; i < 100; ++i) expect((await receiver.next()).value?.id).toBe(String(i))
    })()
    await sender[wait]({ signal: AbortSignal.timeout(10_000) })
    await taken
  })
})

describe('batches({ signal })', () => {
  it('can be withdrawn, and loses nothing', async () => {
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    const error = await rejectionOf(receiver.batches({ signal: AbortSignal.timeout(20) }).next())
    expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    await new Sender(client, 's').send(newSOCMessage('a', 1))
    const aborted = receiver.batches({ signal: AbortSignal.abort() })
    expect(await rejectionOf(aborted.next())).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect((await receiver.batches().next()).value?.[0]?.payload).toBe(1)
  })
})
