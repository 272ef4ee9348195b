// Dialling: who listens, refusals, time limits and retries.

import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial, dialWithRetry } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { self, selfText, socketIn, strangers } from '../../support/platform.js'
import { servePlainly } from '../../support/plain-server.js'
import { rejectionOf } from '../../support/wait.js'

describe('dial', () => {
  it('knows who listens', async () => {
    const { client, listener } = await connectedPair()
    expect(client.peer).toMatchObject(self)
    expect(client.address).toBe(listener.address)
  })

  it('refuses a listener that the policy does not name, and sends it nothing', async () => {
    const directory = temporaryDirectory()
    const bytes: Buffer[] = []
    await servePlainly(socketIn(directory), (socket) => socket.on('data', (chunk) => bytes.push(chunk)))
    const error = await rejectionOf(dial('test', { directory, policy: strangers }))
    expect(error).toMatchObject({ code: 'ERR_IPC_PEER_REJECTED', reason: 'not-listed' })
    expect((error as Error).message).toContain(selfText)
    expect(bytes).toEqual([])
  })

  it('reports that no process listens', async () => {
    const directory = temporaryDirectory()
    expect(await rejectionOf(dial('test', { directory }))).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    expect(await rejectionOf(dial('test', { directory: join(directory, 'no', 'such') }))).toMatchObject({
      code: 'ERR_IPC_NOT_LISTENING',
    })
  })

  it.each<[string, (path: string) => void]>([
    [
      'a link',
      (path) => {
        symlinkSync('/tmp/other.sock', path)
      },
    ],
    [
      'a file',
      (path) => {
        writeFileSync(path, '')
      },
    ],
  ])('refuses %s in the place of the socket', async (_what, make) => {
    const directory = temporaryDirectory()
    make(join(directory, 'test.sock'))
    expect(await rejectionOf(dial('test', { directory }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
  })

  it('waits for room in the queue of the listener, within its time', async () => {
    const directory = temporaryDirectory()
    // Without any accept, the accept thread takes 256 clients, and the kernel queues one or two more.
    const listener = await listening(directory, { backlog: 1 })
    const opened = []
    let error: unknown
    for (let i = 0; i < 400 && error === undefined; ++i) {
      try {
        opened.push(await dial('test', { directory, timeoutMs: 100 }))
      } catch (caught) {
        error = caught
      }
    }
    expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    const late = dial('test', { directory })
    const aborted = rejectionOf(dial('test', { directory, signal: AbortSignal.timeout(30) }))
    expect(await aborted).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    for (let i = 0; i < 20; ++i) opened.push(await listener.accept())
    opened.push(await late)
    for (const connection of opened) connection.destroy()
  })

  it.each([0, -1, NaN])('refuses the time-out %d', async (timeoutMs) => {
    expect(await rejectionOf(dial('test', { timeoutMs }))).toBeInstanceOf(RangeError)
  })
})

describe('dialWithRetry', () => {
  it('waits for a listener that comes late', async () => {
    const directory = temporaryDirectory()
    const dialled = dialWithRetry('test', 10, { directory })
    const listener = await listen('test', { directory })
    onTestFinished(() => {
      listener.close()
    })
    const [client] = await Promise.all([dialled, listener.accept()])
    expect(client.closed).toBe(false)
    client.destroy()
  })

  it('gives up after its tries', async () => {
    const begin = performance.now()
    const error = await rejectionOf(dialWithRetry('test', 2, { directory: temporaryDirectory() }))
    expect(error).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    expect(performance.now() - begin).toBeGreaterThan(490)
  })

  it('ends at once where waiting does not help', async () => {
    const { directory } = await connectedPair()
    const error = await rejectionOf(dialWithRetry('test', 5, { directory, policy: strangers }))
    expect(error).toMatchObject({ code: 'ERR_IPC_PEER_REJECTED' })
  })

  it('can be aborted while it waits', async () => {
    const signal = AbortSignal.timeout(50)
    const error = await rejectionOf(dialWithRetry('test', 5, { directory: temporaryDirectory(), signal }))
    expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED' })
  })

  it('refuses a count that makes no sense', async () => {
    expect(await rejectionOf(dialWithRetry('test', -1))).toBeInstanceOf(RangeError)
  })
})
