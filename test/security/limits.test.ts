// The limits that a listener and a receiver enforce.

import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { CloseEvent, InvalidEvent, RejectEvent } from '../../lib/connection/audit.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { heard } from '../support/audit.js'
import { openSockets } from '../support/descriptors.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening, rawToReceiver } from '../support/pair.js'
import { rejectionOf, until } from '../support/wait.js'

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
  it('are hung up on after too many invalid lines, with an error and an event', async () => {
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
