// Tests of what only Windows has: names of pipes, security identifiers, and peers whose end shows differently than on POSIX.

import { spawn, type ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'

import { resolveAddress } from '../../../lib/connection/address.js'
import type { RejectEvent } from '../../../lib/connection/audit.js'
import type { Connection } from '../../../lib/connection/connection.js'
import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { resolvePolicy, type PeerPolicy } from '../../../lib/peer/policy.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { startChild } from '../../support/child.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening, rawToReceiver } from '../../support/pair.js'
import { socketIn, strangers } from '../../support/platform.js'
import { servePlainly } from '../../support/plain-server.js'
import { rejectionOf, until } from '../../support/wait.js'

const own = resolvePolicy(undefined).sids[0] ?? ''

/** A process that runs some lines of CommonJS with `address` and `net`. */
function startScript(script: string, address: string): ChildProcess {
  const child = spawn(
    process.execPath,
    ['-e', `const net = require('node:net'); const address = process.argv[1]; ${script}`, address],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

describe('addresses', () => {
  it('are the documented ones', async () => {
    const name = `check-${process.pid}`
    expect(resolveAddress(name, {})).toBe(`\\\\.\\pipe\\sentinel-${name}`)
    const listener = await listen(name)
    expect(listener.address).toBe(`\\\\.\\pipe\\sentinel-${name}`)
    listener.close()
    expect(await rejectionOf(dial(name))).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
  })

  it('tell directories apart, but not upper case from lower', () => {
    const inside = (directory: string): string => resolveAddress('a', { directory })
    expect(inside('C:\\one')).toMatch(/^\\\\\.\\pipe\\sentinel-a-[0-9a-f]{16}$/)
    expect(inside('C:\\one')).not.toBe(inside('C:\\two'))
    expect(inside('C:\\one')).toBe(inside('c:\\ONE\\'))
  })

  it.each([
    '\\\\server\\pipe\\a',
    'C:\\file',
    '\\\\.\\pipe\\a\\b',
    '\\\\.\\pipe\\',
    `\\\\.\\pipe\\${'x'.repeat(300)}`,
  ])('refuse the path %s', async (path) => {
    expect(await rejectionOf(listen('test', { path }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect(await rejectionOf(dial('test', { path }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
  })

  it('may be given whole', async () => {
    const path = `\\\\.\\pipe\\check-whole-${process.pid}`
    const listener = await listen('test', { path })
    const [client, server] = await Promise.all([dial('test', { path }), listener.accept()])
    expect(client.address).toBe(path)
    client.destroy()
    server.destroy()
    listener.close()
  })
})

describe('options of POSIX', () => {
  it.each([{ mode: 0o660 as const }, { group: 'Users' }, { fd: 3 }])('refuse %j', async (options) => {
    expect(await rejectionOf(listen('test', options))).toBeInstanceOf(TypeError)
  })

  it.each<PeerPolicy>([
    { users: [0] },
    { groups: ['Users'] },
    { labels: ['x'] },
    { sids: ['Administrators'] },
    { sids: ['S-1-'] },
    { users: ['S-1-5-18'] },
    { users: ['nobody of that name'] },
    { sids: [] },
    { executables: ['/bin/sh'] },
  ])('refuse the policy %j', (policy) => {
    expect(() => resolvePolicy(policy)).toThrow(TypeError)
  })
})

describe('identities', () => {
  it('are the user and the process, on both sides', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const child = startChild('endpoint', { role: 'dial', directory })
    const server = await listener.accept()
    expect(server.peer).toEqual({
      pid: child.pid,
      uid: -1,
      gid: -1,
      groups: [],
      executable: process.execPath,
      sid: own,
    })
    expect(await child.report()).toMatchObject({ dialled: { pid: process.pid, sid: own } })
    server.destroy()
  })

  it('may be named by account or by identifier, however it is spelt', async () => {
    for (const policy of [{ users: [userInfo().username] }, { sids: [own.toLowerCase()] }]) {
      expect(resolvePolicy(policy).sids).toEqual([own])
      const { client, server } = await connectedPair({ policy }, { policy })
      client.destroy()
      server.destroy()
    }
  })
})

describe('a user that the policy does not name', () => {
  it('is refused by a listener, unread, and reported', async () => {
    const rejects: RejectEvent[] = []
    const note = (event: unknown): void => void rejects.push(event as RejectEvent)
    subscribe('sentinel-ipc:reject', note)
    onTestFinished(() => void unsubscribe('sentinel-ipc:reject', note))
    const listener = await listening(temporaryDirectory(), { policy: strangers })
    const raw = connect(listener.address).on('error', () => undefined)
    raw.write('{"type":"a"}\n')
    await new Promise((resolve) => raw.once('close', resolve).resume())
    await until(() => rejects.length > 0)
    expect(rejects[0]).toMatchObject({ reason: 'not-listed', sid: own, uid: null, pid: process.pid })
    expect(listener.stats).toMatchObject({ accepted: 0, refused: 1 })
  })

  it('is refused by a dialler, and sent nothing', async () => {
    const directory = temporaryDirectory()
    let bytes = 0
    await servePlainly(socketIn(directory), (socket) => socket.on('data', (chunk) => (bytes += chunk.length)))
    const error = await rejectionOf(dial('test', { directory, policy: strangers }))
    expect(error).toMatchObject({ code: 'ERR_IPC_PEER_REJECTED', reason: 'not-listed' })
    expect((error as Error).message).toContain(own)
    expect(bytes).toBe(0)
  })
})

describe('a name', () => {
  it('belongs to one process, and is free when that is killed', async () => {
    const directory = temporaryDirectory()
    const first = startChild('endpoint', { role: 'listen', directory })
    expect(await first.report()).toHaveProperty('listening')
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    await first.kill()
    const second = await listening(directory)
    const [client, server] = await Promise.all([dial('test', { directory }), second.accept()])
    client.destroy()
    server.destroy()
  })

  it('is free when the worker thread that had it is terminated', async () => {
    const address = resolveAddress(`worker-${process.pid}`, {})
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads')
       import(workerData.lib).then(async ({ listen }) => {
         await listen('x', { path: workerData.path })
         require('node:worker_threads').parentPort.postMessage('listening')
       })`,
      {
        eval: true,
        workerData: { lib: new URL('../../../lib/index.js', import.meta.url).href, path: address },
      },
    )
    await once(worker, 'message')
    expect(await rejectionOf(listen('x', { path: address }))).toMatchObject({
      code: 'ERR_IPC_ADDRESS_IN_USE',
    })
    await worker.terminate()
    const listener = await listen('x', { path: address })
    listener.close()
  })
})

describe('clients', () => {
  it('that are killed in the middle of a frame lose that frame, and affect no other peer', async () => {
    const listener = await listening(temporaryDirectory())
    const child = startScript(
      `net.connect(address, function () { this.write('{"type":"whole"}\\n{"type":"ha', () => console.log('sent')) })`,
      listener.address,
    )
    const receiver = new Receiver(await listener.accept(), 'r')
    expect((await receiver.next()).value?.type).toBe('whole')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const rest = []
    for (;;) {
      try {
        const { value, done } = await receiver.next()
        if (done === true) break
        rest.push(value.type)
      } catch (error) {
        rest.push((error as { code?: string }).code)
      }
    }
    expect(rest).toEqual(['ERR_IPC_INVALID_MESSAGE'])
    const [client, server] = await Promise.all([dial('test', { path: listener.address }), listener.accept()])
    client.destroy()
    server.destroy()
  })

  it('may come by the thousand at once, and each one is served', async () => {
    const listener = await listening(temporaryDirectory())
    const count = 1000
    const path = listener.address
    const serve = (async () => {
      const answers = new Set<string>()
      for (let i = 0; i < count; ++i) {
        const connection = await listener.accept()
        const { value } = await new Receiver(connection, 'r').next()
        answers.add(value?.id ?? '')
        connection.destroy()
      }
      return answers
    })()
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const connection = await dial('test', { path, timeoutMs: 100_000 })
        await new Sender(connection, 's').send(newSOCMessage('a', i, { id: `${i}` }))
        await connection.close()
      }),
    )
    expect((await serve).size).toBe(count)
    expect(listener.stats).toMatchObject({ accepted: count, refused: 0 })
    await until(() => listener.stats.open === 0)
  })

  it('whose process ends are told of, also when they are more than Windows can wait for at once', async () => {
    const listener = await listening(temporaryDirectory())
    const count = 100
    const child = startScript(`for (let i = 0; i < ${count}; ++i) net.connect(address)`, listener.address)
    const connections: { connection: Connection; exited: AbortSignal }[] = []
    for (let i = 0; i < count; ++i) {
      const connection = await listener.accept()
      connections.push({ connection, exited: connection.peerExited })
    }
    expect(connections.filter(({ exited }) => exited.aborted)).toEqual([])
    child.kill('SIGKILL')
    // A connection whose end is noticed first is closed, and its watch with it.
    await until(() => connections.every(({ connection, exited }) => exited.aborted || connection.closed))
  })
})

describe('large messages', () => {
  it('go through whole, both ways at once, to readers that take their time', async () => {
    const { client, server } = await connectedPair()
    const text = 'x'.repeat(900_000)
    const pump = async (from: typeof client, to: typeof client): Promise<void> => {
      const sender = new Sender(from, 's', { timeoutMs: Infinity })
      const sent = Promise.all(
        Array.from({ length: 5 }, (_, i) => sender.send(newSOCMessage('a', text, { id: `${i}` }))),
      )
      const receiver = new Receiver(to, 'r')
      for (let i = 0; i < 5; ++i) {
        const { value } = await receiver.next()
        expect(value?.id).toBe(`${i}`)
        expect(value?.payload).toBe(text)
      }
      await sent
    }
    await Promise.all([pump(client, server), pump(server, client)])
  })

  it('that the peer does not take time out, and close the connection', async () => {
    const { client } = await connectedPair()
    const sender = new Sender(client, 's', { timeoutMs: 100 })
    const error = await rejectionOf(sender.send(newSOCMessage('a', 'x'.repeat(1_000_000))))
    expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    await client.whenClosed()
  })
})

describe('plain clients of Node', () => {
  it('are read like ours', async () => {
    const { raw, receiver } = await rawToReceiver()
    raw.write('{"type":"a"}\nnonsense\n{"type":"b"}\n')
    expect((await receiver.next()).value?.type).toBe('a')
    expect(await rejectionOf(receiver.next())).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect((await receiver.next()).value?.type).toBe('b')
    raw.destroy()
    expect((await receiver.next()).done).toBe(true)
  })
})
