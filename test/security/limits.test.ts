// What a listener and a receiver put up with, and whom they let in beyond user and group.

import { spawn } from 'node:child_process'
import { lstatSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { CloseEvent, DropEvent, InvalidEvent, RejectEvent } from '../../lib/audit.js'
import { BufferedSender } from '../../lib/buffered-sender.js'
import { dial } from '../../lib/dial.js'
import { listen } from '../../lib/listener.js'
import { newSOCMessage, rawJSON } from '../../lib/new-message.js'
import { Receiver } from '../../lib/receiver.js'
import { heard } from '../support/audit.js'
import { startChild } from '../support/child.js'
import { openSockets } from '../support/descriptors.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair, listening, rawToReceiver } from '../support/pair.js'
import { program, strangers, windows } from '../support/platform.js'
import { rejectionOf, until } from '../support/wait.js'

const root = process.getuid?.() === 0
const FALSE = windows ? 'C:\\windows\\system32\\false.exe' : '/usr/bin/false'

describe('executables', () => {
  it('are known on both sides', async () => {
    const { client, server } = await connectedPair()
    expect(client.peer.executable).toBe(program)
    expect(server.peer.executable).toBe(program)
  })

  it('narrow whom a listener lets in', async () => {
    const rejects = heard<RejectEvent>('sentinel-ipc:reject')
    const directory = temporaryDirectory()
    const listener = await listening(directory, { policy: { executables: [FALSE] } })
    const socket = connect(listener.address)
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('close', resolve).resume())
    await until(() => rejects.length > 0)
    expect(rejects[0]).toMatchObject({
      reason: 'executable-not-listed',
      executable: program,
      pid: process.pid,
    })
    await connectedPair({ policy: { executables: [FALSE, program] } })
  })

  it('narrow whom a dialler talks to', async () => {
    const directory = temporaryDirectory()
    await listening(directory)
    expect(await rejectionOf(dial('test', { directory, policy: { executables: [FALSE] } }))).toMatchObject({
      code: 'ERR_IPC_PEER_REJECTED',
      reason: 'executable-not-listed',
    })
  })
})

describe('labels', () => {
  it('refuse everybody where no security module gives any', async () => {
    const { client } = await connectedPair()
    const { label } = client.peer
    const directory = temporaryDirectory()
    await listening(directory)
    const error = await rejectionOf(dial('test', { directory, policy: { labels: ['no-such-label'] } }))
    expect(error).toMatchObject({ reason: label === undefined ? 'label-unknown' : 'label-not-listed' })
  })
})

describe('a policy', () => {
  it.each([
    windows ? { groups: ['Users'] } : { sids: ['S-1-1-0'] },
    { executables: [] },
    { executables: ['node'] },
    { labels: [''] },
  ])('that says %j is refused at once', async (policy) => {
    expect(await rejectionOf(listen('test', { directory: temporaryDirectory(), policy }))).toBeInstanceOf(
      TypeError,
    )
  })
})

describe('mode and group', () => {
  it('open the socket file as far as asked, whatever the umask', async () => {
    const before = process.umask(0o077)
    onTestFinished(() => {
      process.umask(before)
    })
    const directory = temporaryDirectory()
    const listener = await listening(directory, { mode: 0o660, group: process.getgid?.() ?? 0 })
    expect(lstatSync(listener.address).mode & 0o777).toBe(0o660)
    const other = await listen('other', { directory, mode: 0o666 })
    expect(lstatSync(other.address).mode & 0o777).toBe(0o666)
    other.close()
  })

  it.skipIf(!root)(`let a group in, and nobody else${root ? '' : ' (skipped: needs root)'}`, async () => {
    const [ALICE, BOB, GROUP] = [23_456, 23_457, 24_242]
    const { chmodSync } = await import('node:fs')
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    const policy = { users: [ALICE, BOB] }
    const listener = await listening(directory, { mode: 0o660, group: GROUP, policy })
    expect(statSync(listener.address).gid).toBe(GROUP)
    const order = { role: 'dial', directory, policy: { users: [0] } }
    const alice = startChild('endpoint', { ...order, become: { uid: ALICE, gid: ALICE, groups: [GROUP] } })
    const connection = await listener.accept()
    expect(connection.peer).toMatchObject({ uid: ALICE, groups: [GROUP] })
    expect(await alice.report()).toHaveProperty('dialled')
    const bob = startChild('endpoint', { ...order, become: { uid: BOB, gid: BOB, groups: [] } })
    expect(await bob.report()).toMatchObject({ failed: { cause: 'EACCES' } })
    connection.destroy()
  })

  it('refuse what makes no sense', async () => {
    const directory = temporaryDirectory()
    expect(await rejectionOf(listen('test', { directory, mode: 0o777 as 0o666 }))).toBeInstanceOf(RangeError)
    expect(await rejectionOf(listen('test', { directory, group: 'no-such-group' }))).toBeInstanceOf(TypeError)
  })
})

describe('a descriptor that listens already', () => {
  it('is served like an address of our own, and its file stays', async () => {
    const path = join(temporaryDirectory(), 'activated.sock')
    // As systemd does it: somebody else listens, the service finds descriptor 3.
    const child = spawn(
      'python3',
      [
        '-c',
        'import os,socket,sys\n' +
          's=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8); os.dup2(s.fileno(),3); os.set_inheritable(3,True)\n' +
          'os.execv(sys.argv[2],sys.argv[2:])',
        path,
        process.execPath,
        new URL('../../out/test/children/activated.js', import.meta.url).pathname,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(() => said.includes('listening'))
    const connection = await dial('test', { path })
    await until(() => said.includes('accepted'))
    expect(said).toContain(`listening ${path}\n`)
    connection.destroy()
    child.stdin.end()
    await new Promise((resolve) => child.once('exit', resolve))
    expect(said).toContain('closed')
    expect(lstatSync(path).isSocket()).toBe(true)
  })

  it('is refused when it is no listening Unix stream socket', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    expect(await rejectionOf(listen('test', { fd }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect(await rejectionOf(listen('test', { fd: 0 }))).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect(await rejectionOf(listen('test', { fd: -1 }))).toBeInstanceOf(RangeError)
    expect(await rejectionOf(listen('test', { fd: 3, path: '/x' }))).toBeInstanceOf(TypeError)
  })
})

describe('connection rates', () => {
  it('are limited for each user', async () => {
    const rejects = heard<RejectEvent>('sentinel-ipc:reject')
    const listener = await listening(temporaryDirectory(), { maxNewConnectionsPerSecondPerUser: 5 })
    const sockets = Array.from({ length: 12 }, () => connect(listener.address).on('error', () => undefined))
    await until(() => listener.stats.accepted + listener.stats.refused === 12)
    expect(listener.stats.accepted).toBeLessThan(12)
    await until(() => rejects.length > 0)
    expect(rejects[0]?.reason).toBe('too-many-new-connections')
    for (const socket of sockets) socket.destroy()
    // Later it may come again.
    await until(() => {
      const socket = connect(listener.address).on('error', () => undefined)
      socket.once('connect', () => socket.destroy())
      return listener.stats.accepted > 5
    })
  })
})

describe('a limit on new connections', () => {
  it('holds for every second, wherever it begins', async () => {
    const limit = 5
    const listener = await listening(temporaryDirectory(), { maxNewConnectionsPerSecondPerUser: limit })
    /** When each one came that was let in: not before the first and not after the second of the times. */
    const letIn: [earliest: number, latest: number][] = []
    const tryOnce = async (): Promise<void> => {
      const { accepted, refused } = listener.stats
      const earliest = performance.now()
      const socket = connect(listener.address).on('error', () => undefined)
      await until(() => listener.stats.accepted + listener.stats.refused > accepted + refused)
      if (listener.stats.accepted > accepted) letIn.push([earliest, performance.now()])
      socket.destroy()
    }
    // One opens the first second; then as many as may come around its end, where a count by the clock starts anew.
    await tryOnce()
    await sleep(900 - (performance.now() - (letIn[0]?.[0] ?? 0)))
    const end = performance.now() + 1500
    while (performance.now() < end) await tryOnce()
    expect(letIn.length).toBeGreaterThan(limit)
    for (let i = limit; i < letIn.length; ++i) {
      expect((letIn[i]?.[1] ?? 0) - (letIn[i - limit]?.[0] ?? 0)).toBeGreaterThanOrEqual(1000)
    }
  })
})

describe('silent peers', () => {
  it('are hung up on after the idle limit', async () => {
    const closes = heard<CloseEvent>('sentinel-ipc:close')
    // Long enough for a slow machine to bring the first one.
    const { raw, receiver, server } = await rawToReceiver({ idleTimeoutMs: 800 })
    raw.write('{"type":"a"}\n')
    expect((await receiver.next()).value?.type).toBe('a')
    expect(await rejectionOf(receiver.next())).toMatchObject({ code: 'ERR_IPC_TIMEOUT', reason: 'idle' })
    expect((await receiver.next()).done).toBe(true)
    await server.whenClosed()
    expect(closes.map((event) => event.reason)).toContain('idle')
  })

  it('are not blamed for our own pauses', async () => {
    const { raw, receiver } = await rawToReceiver({ idleTimeoutMs: 100 })
    raw.write('{"type":"a"}\n'.repeat(3000))
    await until(() => receiver.stats.received >= 1024)
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (let i = 0; i < 3000; ++i) expect((await receiver.next()).value?.type).toBe('a')
    raw.end()
    expect((await receiver.next()).done).toBe(true)
  })

  it('must say something sensible in time', async () => {
    const { raw, receiver } = await rawToReceiver({ firstMessageTimeoutMs: 100, onInvalid: 'skip' })
    const drip = setInterval(() => raw.write('nonsense\n'), 10)
    onTestFinished(() => {
      clearInterval(drip)
    })
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'no-first-message',
    })
  })

  it('may take their time after the first message', async () => {
    const { raw, receiver } = await rawToReceiver({ firstMessageTimeoutMs: 60 })
    raw.write('{"type":"a"}\n')
    expect((await receiver.next()).value?.type).toBe('a')
    await new Promise((resolve) => setTimeout(resolve, 120))
    raw.end('{"type":"b"}\n')
    expect((await receiver.next()).value?.type).toBe('b')
  })
})

describe('talkative peers', () => {
  it('are hung up on after too many lines that are no messages, with an error and an event', async () => {
    const invalid = heard<InvalidEvent>('sentinel-ipc:invalid')
    const closes = heard<CloseEvent>('sentinel-ipc:close')
    const { raw, receiver, server } = await rawToReceiver({ onInvalid: 'skip', maxInvalid: 2 })
    raw.write('x\ny\nz\n')
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_CLOSED',
      reason: 'too-many-invalid',
    })
    expect((await receiver.next()).done).toBe(true)
    await server.whenClosed()
    expect(invalid.map((event) => event.error.reason)).toEqual(['not-json', 'not-json', 'not-json'])
    expect(invalid[0]?.peer).toBe(server.peer)
    expect(closes.at(-1)).toMatchObject({ reason: 'too-many-invalid', peer: server.peer })
  })
})

describe('descriptors that a peer sends along', () => {
  it('never reach us', async () => {
    const listener = await listening(temporaryDirectory())
    const before = openSockets()
    const sender = spawn(
      'python3',
      [
        '-c',
        'import socket,sys,array\n' +
          's=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); a,b=socket.socketpair()\n' +
          's.sendmsg([b\'{"type":"a"}\\n\'],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array("i",[a.fileno(),b.fileno()]))])\n' +
          'sys.stdin.read()',
        listener.address,
      ],
      { stdio: ['pipe', 'inherit', 'inherit'] },
    )
    onTestFinished(() => void sender.kill('SIGKILL'))
    const connection = await listener.accept()
    expect((await new Receiver(connection, 'r').next()).value?.type).toBe('a')
    expect(openSockets()).toBeLessThanOrEqual(before + 2) // the connection, and the pipe to the child
    connection.destroy()
  })
})

describe('the end of the process behind a connection', () => {
  it('is told even if a child of it keeps the connection open', async () => {
    const listener = await listening(temporaryDirectory())
    const child = startChild('forker', { address: listener.address })
    const connection = await listener.accept()
    const { holder } = await child.report<{ holder: number }>()
    onTestFinished(() => {
      process.kill(holder, 'SIGKILL')
    })
    const { peerExited } = connection
    expect(peerExited.aborted).toBe(false)
    child.send('end')
    await child.exited
    await until(() => peerExited.aborted)
    expect(connection.closed).toBe(false)
    // Asked for only now, it is told at once.
    connection.destroy()
  })

  it('is told at once of a process that is gone already', async () => {
    const listener = await listening(temporaryDirectory())
    const child = startChild('forker', { address: listener.address })
    const connection = await listener.accept()
    const { holder } = await child.report<{ holder: number }>()
    onTestFinished(() => {
      process.kill(holder, 'SIGKILL')
    })
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

describe('the audit channels', () => {
  it('tell of connections that begin and end, and why', async () => {
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

  it('tell of messages that were taken and dropped', async () => {
    const drops = heard<DropEvent>('sentinel-ipc:drop')
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    sender.send(newSOCMessage('a', rawJSON('{')))
    await sender.flush()
    expect(drops).toEqual([{ address: client.address, peer: client.peer, count: 1, error: drops[0]?.error }])
    expect(drops[0]?.error.code).toBe('ERR_IPC_INVALID_MESSAGE')
    expect(sender.stats).toMatchObject({ accepted: 1, written: 0, pending: 0, dropped: 1 })
  })

  it('tell of refusals at a bounded rate, also while others are let in all the time', async () => {
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
    const listener = await listening(temporaryDirectory(), { policy: strangers })
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
