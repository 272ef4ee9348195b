// Several evaluations of the package in one process, as test runners, hot reloading and monorepos cause them.

import { describe, expect, it, vi } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf } from '../support/wait.js'

type Api = typeof import('../../lib/index.js')

it('shows users the names of its classes as it exports them', async () => {
  const entry = new URL('../../dist/index.mjs', import.meta.url).href
  const api = (await import(entry)) as Record<string, unknown>
  const classes = Object.entries(api).filter(
    ([, value]) => typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class'),
  )
  expect(classes.length).toBeGreaterThan(10)
  expect(classes.map(([, value]) => (value as () => void).name)).toEqual(classes.map(([name]) => name))
})

describe('the package evaluated twice', () => {
  it('gives two copies that talk to each other and know each other’s errors', async () => {
    const first: Api = await import('../../lib/index.js')
    vi.resetModules()
    const second: Api = await import('../../lib/index.js')
    expect(second.listen).not.toBe(first.listen)
    const directory = temporaryDirectory()
    const listener = await second.listen('test', { directory })
    for (const { dial, Sender, newSOCMessage } of [first, second]) {
      const [client, server] = await Promise.all([dial('test', { directory }), listener.accept()])
      const receiver = new second.Receiver(server, 'r')
      const sender = new Sender(client, 's')
      await sender.send(newSOCMessage('t', { from: 'either' }))
      expect((await receiver.next()).value?.payload).toEqual({ from: 'either' })
      await sender.close()
      expect((await receiver.next()).done).toBe(true)
      await server.close()
    }
    listener.close()
    const error = await rejectionOf(second.dial('test', { directory }))
    expect(error).toBeInstanceOf(first.IpcError)
    expect(error).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
  })

  it('works in realms of its own, with the codes of errors', async () => {
    const child = startChild('realm', { directory: temporaryDirectory() })
    const seen = {
      notListening: { code: 'ERR_IPC_NOT_LISTENING', isIpcError: true },
      inUse: { code: 'ERR_IPC_ADDRESS_IN_USE', isIpcError: true },
      payload: '{"a":1}',
    }
    expect(await child.report()).toEqual([seen, seen])
  })
})
