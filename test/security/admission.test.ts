// Whom a listener and a dialler let in beyond user and group, and how far a socket file is open.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, lstatSync, statSync, symlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'

import type { RejectEvent } from '../../lib/connection/audit.js'
import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { heard } from '../support/audit.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { connectedPair, listening } from '../support/pair.js'
import { program, windows } from '../support/platform.js'
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
    expectTypeOf<RejectEvent>().toHaveProperty('unit').toBeString()
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
    expect(
      await rejectionOf(listen('test', { directory, mode: 0o660, group: 'no-such-group' })),
    ).toBeInstanceOf(TypeError)
  })
})

describe('a descriptor that listens already', () => {
  it('is served like an address claimed by this process, and its file stays', async () => {
    const path = join(temporaryDirectory(), 'activated.sock')
    // Like systemd: another process listens, and the service inherits descriptor 3.
    const child = spawn(
      'python3',
      [
        '-c',
        'import os,socket,sys\n' +
          's=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8); os.dup2(s.fileno(),3); os.set_inheritable(3,True)\n' +
          'os.execv(sys.argv[2],sys.argv[2:])',
        path,
        process.execPath,
        new URL('../../out/test/support/children/activated.js', import.meta.url).pathname,
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

  it.each([
    [
      'a stream socket that is connected',
      'a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM); s = a',
    ],
    ['a stream socket that does not listen', 's = socket.socket(socket.AF_UNIX); s.bind(path)'],
    ['a datagram socket', 's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(path)'],
    [
      'a socket of packets',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(path); s.listen(8)',
    ],
    ['a pipe', 'import os; r, w = os.pipe(); s = os.fdopen(r)'],
    ['a file', 's = open("/dev/null")'],
  ])('is refused when it is %s', async (_what, make) => {
    const program =
      `import os, socket, sys; path = sys.argv[1]; ${make}\n` +
      'os.dup2(s.fileno(), 3); os.set_inheritable(3, True); os.execv(sys.argv[2], sys.argv[2:])'
    const child = spawn(
      'python3',
      [
        ...['-c', program, join(temporaryDirectory(), 'adopted.sock'), process.execPath],
        new URL('../../out/test/support/children/activated.js', import.meta.url).pathname,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const [code] = (await once(child, 'exit')) as [number | null]
    expect(code).toBe(1)
    expect(said).toContain('ERR_IPC_UNSAFE_PATH')
  })

  it('stays open when listening fails, and has one listener at a time', async () => {
    const program =
      'import os, resource, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8); ' +
      'resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); ' +
      'os.dup2(s.fileno(), 3); os.set_inheritable(3, True); os.execv(sys.argv[2], sys.argv[2:])'
    const child = spawn(
      'python3',
      [
        ...['-c', program, join(temporaryDirectory(), 'adopted.sock'), process.execPath],
        new URL('../../out/test/support/children/adopting.js', import.meta.url).pathname,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(child, 'close')
    const report = JSON.parse(said) as { failures: { error: string; open: boolean }[] }
    expect(report.failures.length).toBeGreaterThan(0)
    for (const { open } of report.failures) expect(open).toBe(true)
    expect(report).toMatchObject({
      listened: true,
      second: 'ERR_IPC_ADDRESS_IN_USE',
      stillOpen: true,
      openAfterClose: false,
    })
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

describe.skipIf(process.platform !== 'linux')(
  'dialling a path that another process replaces meanwhile',
  () => {
    it('never follows a link that was put there after the check', async () => {
      const directory = temporaryDirectory()
      const other = await listen('other', { directory })
      const path = join(directory, 'flipping.sock')
      const [socket, link] = [join(directory, 'plain'), join(directory, 'link')]
      const server = createServer().listen(socket)
      await once(server, 'listening')
      linkSync(socket, path)
      symlinkSync(other.address, link)
      onTestFinished(() => {
        other.close()
        server.close()
      })
      server.on('connection', (accepted) => accepted.destroy())
      const child = startChild('flipper', { path, socket, link, milliseconds: 2_000 })
      expect(await child.report()).toBe('ready')
      let running = true
      void child.exited.then(() => (running = false))
      const codes = new Set<unknown>()
      while (running) {
        const connection = await dial('test', { path }).catch((error: unknown) => {
          codes.add((error as { code?: unknown }).code)
        })
        connection?.destroy()
      }
      expect(codes).toContain('ERR_IPC_UNSAFE_PATH')
      expect(other.stats.accepted).toBe(0)
    })
  },
)
