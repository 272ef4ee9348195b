// Listening: claiming an address, its permissions, quotas, accepting and closing.

import { connect } from 'node:net'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { startChild } from '../../support/child.js'
import { openSockets } from '../../support/descriptors.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { socketIn, windows } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

const root = process.getuid?.() === 0

describe('listen', () => {
  it('has the documented default address', async () => {
    const name = `test-${process.pid}-${Date.now()}`
    const listener = await listen(name)
    expect(listener.address).toBe(`/tmp/sentinel-${name}.sock`)
    expect(lstatSync(listener.address).isSocket()).toBe(true)
    listener.close()
    expect(existsSync(listener.address)).toBe(false)
    expect(existsSync(`${listener.address}.lock`)).toBe(false)
  })

  it('makes the directory for this user only, and the socket too, whatever the umask', async () => {
    const before = process.umask(0)
    onTestFinished(() => {
      process.umask(before)
    })
    const directory = join(temporaryDirectory(), 'made')
    const listener = await listening(directory)
    expect(lstatSync(directory).mode & 0o777).toBe(0o700)
    expect(lstatSync(listener.address).mode & 0o777).toBe(0o600)
    expect(lstatSync(`${listener.address}.lock`).mode & 0o777).toBe(0o600)
  })

  it.skipIf(!root)(
    `makes them usable for a user whose umask would leave nothing${root ? '' : ' (skipped: needs root to be another user)'}`,
    async () => {
      const ALICE = 23_456
      const parent = temporaryDirectory()
      chownSync(parent, ALICE, ALICE)
      const directory = join(parent, 'made')
      const order = { role: 'listen', directory, umask: 0o777 }
      for (let life = 0; life < 2; ++life) {
        const child = startChild('endpoint', order, { uid: ALICE, gid: ALICE })
        expect(await child.report()).toEqual({ listening: join(directory, 'test.sock') })
        expect(lstatSync(directory).mode & 0o777).toBe(0o700)
        expect(lstatSync(join(directory, 'test.sock')).mode & 0o777).toBe(0o600)
        expect(lstatSync(join(directory, 'test.sock.lock')).mode & 0o777).toBe(0o600)
        const dialler = startChild('endpoint', { ...order, role: 'dial' }, { uid: ALICE, gid: ALICE })
        expect(await dialler.report()).toHaveProperty('dialled')
        await child.kill() // and the next one takes over what it left
      }
    },
  )

  it('refuses an address that is in use, and leaves it alone', async () => {
    const directory = temporaryDirectory()
    const first = await listening(directory)
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    const [client] = await Promise.all([dial('test', { directory }), first.accept()])
    client.destroy()
  })

  it('refuses the address of a live listener that knows nothing of our lock', async () => {
    const directory = temporaryDirectory()
    const foreign = createServer()
    await new Promise<void>((resolve) => foreign.listen(socketIn(directory), resolve))
    onTestFinished(() => {
      foreign.close()
    })
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    expect(readdirSync(directory)).toEqual(windows ? [] : ['test.sock'])
  })

  it.each<[string, (path: string) => void]>([
    [
      'a file',
      (path) => {
        writeFileSync(path, 'precious')
      },
    ],
    [
      'a directory',
      (path) => {
        mkdirSync(path)
      },
    ],
    [
      'a symbolic link',
      (path) => {
        symlinkSync('/etc/passwd', path)
      },
    ],
    [
      'a dangling link',
      (path) => {
        symlinkSync('/nowhere', path)
      },
    ],
  ])('refuses to replace %s', async (_what, make) => {
    const directory = temporaryDirectory()
    const path = join(directory, 'test.sock')
    make(path)
    const before = lstatSync(path)
    const refused = await rejectionOf(listen('test', { directory }))
    expect(refused).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect(refused).toHaveProperty('message', expect.stringContaining(`${path} exists and is not a socket`))
    expect(lstatSync(path).ino).toBe(before.ino)
  })

  it.each<[string, (path: string) => void]>([
    [
      'a symbolic link',
      (path) => {
        symlinkSync('/tmp/elsewhere', path)
      },
    ],
    [
      'a directory',
      (path) => {
        mkdirSync(path)
      },
    ],
  ])('refuses a lock file that is %s', async (_what, make) => {
    const directory = temporaryDirectory()
    make(join(directory, 'test.sock.lock'))
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
  })

  it('refuses a directory that others may write to', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o777)
    const error = await rejectionOf(listen('test', { directory }))
    expect(error).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect((error as Error).message).toContain('writable by others')
    chmodSync(directory, 0o1777)
    await listening(directory)
  })

  it('refuses such a directory further up, too', async () => {
    const outer = temporaryDirectory()
    mkdirSync(join(outer, 'inner'), { mode: 0o700 })
    chmodSync(outer, 0o777)
    const error = await rejectionOf(listen('test', { directory: join(outer, 'inner') }))
    expect(error).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
  })

  it('follows a link of our own to a directory', async () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, 'real'), { mode: 0o700 })
    symlinkSync('real', join(directory, 'link'))
    await listening(join(directory, 'link'))
    expect(lstatSync(join(directory, 'real', 'test.sock')).isSocket()).toBe(true)
  })

  it('says so when links go round in circles', async () => {
    const directory = temporaryDirectory()
    symlinkSync('b', join(directory, 'a'))
    symlinkSync('a', join(directory, 'b'))
    const error = await rejectionOf(listen('test', { directory: join(directory, 'a') }))
    expect(error).toMatchObject({ code: 'ERR_IPC_SYSTEM', cause: { code: 'ELOOP', syscall: 'lstat' } })
  })

  it('makes no directories further up', async () => {
    const directory = join(temporaryDirectory(), 'a', 'b')
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({
      code: 'ERR_IPC_SYSTEM',
      cause: { code: 'ENOENT' },
    })
  })

  it('refuses a path that is too long, before it touches anything', async () => {
    const directory = join(temporaryDirectory(), 'x'.repeat(100))
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_PATH_TOO_LONG' })
    expect(existsSync(directory)).toBe(false)
  })

  it('leaves nothing behind when its signal takes no listener', async () => {
    const directory = temporaryDirectory()
    const signal = Object.assign(new AbortController().signal, {
      addEventListener: () => {
        throw new Error('mine')
      },
    })
    const sockets = openSockets()
    expect(await rejectionOf(listen('test', { directory, signal }))).toMatchObject({ message: 'mine' })
    expect(readdirSync(directory)).toEqual([])
    expect(openSockets()).toBe(sockets)
  })

  it('does not begin when its signal has fired, and closes when it fires', async () => {
    const directory = temporaryDirectory()
    expect(await rejectionOf(listen('test', { directory, signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
    const controller = new AbortController()
    const listener = await listen('test', { directory, signal: controller.signal })
    const accepted = rejectionOf(listener.accept())
    controller.abort()
    expect(await accepted).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(readdirSync(directory)).toEqual([])
  })

  it.each([{ backlog: 0 }, { maxConnections: 1.5 }, { maxConnectionsPerUser: -1 }])(
    'refuses %j',
    async (limits) => {
      expect(
        await rejectionOf(listen('test', { directory: temporaryDirectory(), ...limits })),
      ).toBeInstanceOf(RangeError)
    },
  )
})

describe('accept', () => {
  it('serves calls and clients in their order', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const accepts = [listener.accept(), listener.accept()]
    const first = await dial('test', { directory })
    await accepts[0]
    const second = await dial('test', { directory })
    await accepts[1]
    expect(listener.stats).toMatchObject({ accepted: 2, open: 2, refused: 0 })
    first.destroy()
    second.destroy()
  })

  it('can be aborted, and loses no client by it', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const controller = new AbortController()
    const aborted = rejectionOf(listener.accept({ signal: controller.signal }))
    const kept = listener.accept({ signal: new AbortController().signal })
    controller.abort()
    expect(await aborted).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    const client = await dial('test', { directory })
    const server = await kept
    expect(server.peer.pid).toBe(process.pid)
    client.destroy()
    expect(await rejectionOf(listener.accept({ signal: AbortSignal.abort() }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
  })

  it('gives all clients to a loop, which ends when the listener is closed', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const clients = await Promise.all(Array.from({ length: 300 }, () => dial('test', { directory })))
    let accepted = 0
    for await (const connection of listener) {
      connection.destroy()
      if (++accepted === clients.length) listener.close()
    }
    expect(accepted).toBe(300)
    for (const client of clients) client.destroy()
  })

  it('turns away what goes beyond maxConnections, and takes again when one has ended', async () => {
    // The limit of one user must not hide that of all.
    const limits = { maxConnections: 1, maxConnectionsPerUser: 5 }
    const { directory, listener, client, server } = await connectedPair(limits)
    const second = connect(listener.address)
    second.on('error', () => undefined)
    await new Promise((resolve) => second.once('close', resolve).resume())
    expect(listener.stats).toMatchObject({ accepted: 1, refused: 1, open: 1 })
    client.destroy()
    server.destroy()
    await until(() => listener.stats.open === 0)
    const [third] = await Promise.all([dial('test', { directory }), listener.accept()])
    third.destroy()
  })

  it('turns away what goes beyond maxConnectionsPerUser', async () => {
    const { listener } = await connectedPair({ maxConnectionsPerUser: 1 })
    const second = connect(listener.address)
    second.on('error', () => undefined)
    await new Promise((resolve) => second.once('close', resolve).resume())
    expect(listener.stats.refused).toBe(1)
  })
})

describe('close', () => {
  it('hangs up on clients that were not accepted, and keeps accepted ones', async () => {
    const { directory, listener, client, server } = await connectedPair()
    const waiting = await dial('test', { directory })
    await until(() => listener.stats.accepted === 2)
    listener.close()
    listener.close()
    const socket = await rejectionOf(dial('test', { directory }))
    expect(socket).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    expect(client.closed || server.closed).toBe(false)
    expect(await rejectionOf(listener.accept())).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(listener.stats).toMatchObject({ accepted: 2, open: 1 })
    waiting.destroy()
    server.destroy()
    await server.whenClosed()
    expect(listener.stats).toMatchObject({ accepted: 2, open: 0 })
  })

  it('removes only the socket that it made', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const { rmSync } = await import('node:fs')
    rmSync(listener.address)
    writeFileSync(listener.address, 'somebody else put this here')
    listener.close()
    expect(existsSync(listener.address)).toBe(true)
  })

  it('lets the process end', async () => {
    const listener = await listening(temporaryDirectory())
    await listener[Symbol.asyncDispose]()
    expect(listener.stats.open).toBe(0)
  })
})
