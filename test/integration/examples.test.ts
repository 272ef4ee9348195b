// Every program of examples/, run as a user runs it: processes of their own, over real sockets, with the package by its name.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { temporaryDirectory } from '../support/directory.js'
import { startActivated, startManager } from '../support/fake-systemd.js'
import { Program, startProgram } from '../support/program.js'
import { buildGoPeer, hasGo, whyNot } from '../interop/go-peer.js'

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
const LINUX = process.platform === 'linux'
const ROOT = process.geteuid?.() === 0
const python = spawnSync('python3', ['--version']).status === 0
const whyNoPython = python ? '' : ' (skipped: Python is not installed)'
/** The demos, which are larger and have tests of their own. */
const DEMOS = ['soc-pipeline', 'swarm']

const small = readdirSync(examples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !DEMOS.includes(entry.name))
  .flatMap(({ name }) => readdirSync(join(examples, name)).map((file) => `${name}/${file}`))
  .filter((file) => /\.(mjs|py|go)$/.test(file))

/** Starts a program of examples/ with its sockets in a directory of the test. */
function start(directory: string, file: string, ...args: string[]): Program {
  return startProgram(process.execPath, [join(examples, file), ...args], {
    env: { ...process.env, SENTINEL_IPC_DIRECTORY: directory },
  })
}

describe('examples/README.md', () => {
  it('lists every example', () => {
    const index = readFileSync(join(examples, 'README.md'), 'utf8')
    const folders = readdirSync(examples, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    for (const { name } of folders) expect(index).toMatch(new RegExp(`\\]\\(${name}[/)]`))
  })

  it.each(small)('is right that %s has fewer than 40 lines of code', (file) => {
    const lines = readFileSync(join(examples, file), 'utf8').split('\n')
    expect(lines.filter((line) => line.trim() !== '').length).toBeLessThan(40)
  })
})

describe('the example', () => {
  it('two-programs passes events on, and its server survives a hostile client', async () => {
    const directory = temporaryDirectory()
    const correlator = start(directory, 'two-programs/correlator.mjs')
    await correlator.says('listening')
    const hostile = await dial('events', { directory })
    await new Sender(hostile, 'hostile').send(newSOCMessage('soc_event', 'first'))
    await correlator.says('first')
    hostile.destroy()
    const collector = start(directory, 'two-programs/collector.mjs')
    expect(await collector.ended).toBe(0)
    await correlator.says("action: 'login' }")
    expect(await correlator.end()).toBe(0)
    const pid = String(collector.child.pid)
    expect(correlator.lines.filter((line) => line.startsWith(`pid ${pid}, uid`))).toHaveLength(3)
    expect(correlator.lines.at(-1)).toBe('{ served: 2, aborted: 0 }')
    expect(collector.errors + correlator.errors).toBe('')
  })

  it('request-reply asks and gets a reply and an error', async () => {
    const directory = temporaryDirectory()
    const server = start(directory, 'request-reply/server.mjs')
    const client = start(directory, 'request-reply/client.mjs')
    expect(await client.ended).toBe(0)
    expect(client.lines).toEqual(['db', 'ERR_IPC_REMOTE ENOENT'])
    expect(await server.end()).toBe(0)
    expect(client.errors + server.errors).toBe('')
  })

  it('publisher has several subscribers', async () => {
    const directory = temporaryDirectory()
    const publisher = start(directory, 'publisher/publisher.mjs')
    const subscribers = [1, 2].map(() => start(directory, 'publisher/subscriber.mjs'))
    for (const subscriber of subscribers) {
      expect(await subscriber.ended).toBe(0)
      expect(subscriber.lines).toHaveLength(3)
      expect(subscriber.lines[0]).toMatch(/^\{ number: \d+, severity: 'high' \}$/)
    }
    expect(await publisher.end()).toBe(0)
    expect(publisher.errors).toBe('')
  })

  it('spooled-collector loses nothing to kill -9 while the correlator is away', async () => {
    const directory = temporaryDirectory()
    const spool = join(directory, 'spool')
    const first = start(directory, 'spooled-collector/collector.mjs', spool, '200')
    await first.says('200 spooled')
    await first.end('SIGKILL')
    const correlator = start(directory, 'spooled-collector/correlator.mjs')
    await correlator.says('listening')
    const second = start(directory, 'spooled-collector/collector.mjs', spool, '1')
    expect(await second.ended).toBe(0)
    await correlator.says('event 200')
    expect(await correlator.end()).toBe(0)
    const numbers = correlator.lines.filter((line) => line.startsWith('event'))
    expect(numbers).toEqual([...Array.from({ length: 200 }, (_, i) => `event ${i + 1}`), 'event 1'])
    expect(correlator.errors + second.errors).toBe('')
  })

  it.skipIf(!ROOT || !LINUX)(
    `two-users lets the collector in and nobody else${ROOT ? '' : ' (skipped: needs root)'}`,
    async () => {
      const [correlatorUser, collectorUser, strangerUser, group] = [23_461, 23_462, 23_463, 24_246]
      const directory = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-users-'))
      onTestFinished(() => void spawnSync('rm', ['-r', directory]))
      chmodSync(directory, 0o750)
      chownSync(directory, correlatorUser, group)
      // As a login of these users: with the group as a supplementary one.
      const run = (uid: number, groups: number[], file: string, ...args: string[]): Program => {
        const become = ['-c', 'import os,sys; g=sys.argv[1]; u=int(sys.argv[2]); os.setgroups([int(x) for x in g.split(",") if x]); os.setgid(u); os.setuid(u); os.execv(sys.argv[3], sys.argv[3:])'] // prettier-ignore
        const program = [process.execPath, join(examples, 'two-users', file), ...args]
        return startProgram('python3', [...become, groups.join(','), String(uid), ...program])
      }
      const named = [directory, String(group), String(collectorUser)]
      const correlator = run(correlatorUser, [group], 'correlator.mjs', ...named)
      await correlator.says('listening')
      const stranger = run(strangerUser, [group], 'collector.mjs', directory, String(correlatorUser))
      expect(await stranger.ended).toBe(1)
      expect(await correlator.says('refused')).toMatch(new RegExp(`^refused uid ${strangerUser}: `))
      const outsider = run(strangerUser, [], 'collector.mjs', directory, String(correlatorUser))
      expect(await outsider.ended).toBe(1)
      expect(outsider.errors).toContain('EACCES')
      const collector = run(collectorUser, [group], 'collector.mjs', directory, String(correlatorUser))
      expect([await collector.ended, collector.errors]).toEqual([0, ''])
      await correlator.says(`uid ${collectorUser} sent from uid ${collectorUser}`)
      expect(await correlator.end()).toBe(0)
    },
  )
})

describe.skipIf(!LINUX)(`the example systemd${LINUX ? '' : ' (skipped: needs Linux)'}`, () => {
  const folder = join(examples, 'systemd')

  it('is notified of, watched and drained, with the socket that it was given', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'sentinel-events.sock')
    const notifySocket = join(directory, 'notify')
    const manager = await startManager(notifySocket)
    const env = {
      LISTEN_FDS: '1',
      LISTEN_FDNAMES: 'events',
      NOTIFY_SOCKET: notifySocket,
      WATCHDOG_USEC: '200000',
      COLLECTOR: userInfo().username,
    }
    const own = ['LISTEN_PID', 'WATCHDOG_PID']
    const service = new Program(startActivated([path], [join(folder, 'correlator.mjs')], env, own))
    const told = [(await manager.next()).text, (await manager.next()).text]
    expect(told.sort()).toEqual([`READY=1\nSTATUS=listening at ${path}`, 'WATCHDOG=1'])
    const sender = new Sender(await dial('events', { path }), 'collector')
    await sender.send(newSOCMessage('soc_event', 'hello'))
    await service.says('soc_event hello')
    expect(await manager.next()).toEqual({ text: 'WATCHDOG=1', pid: service.child.pid })
    service.child.kill('SIGTERM')
    let { text } = await manager.next()
    while (text === 'WATCHDOG=1') text = (await manager.next()).text
    expect(text).toBe('STOPPING=1')
    expect(await service.ended).toBe(0)
    expect(service.lines.at(-1)).toBe('served 1, aborted 0')
    sender.connection.destroy()
  })

  it('runs without systemd too', async () => {
    const directory = temporaryDirectory()
    const service = start(directory, 'systemd/correlator.mjs')
    const collector = start(directory, 'two-programs/collector.mjs')
    expect(await collector.ended).toBe(0)
    await service.says("action: 'login' }")
    expect(await service.end()).toBe(0)
  })

  const verifies = spawnSync('systemd-analyze', ['--version']).status === 0
  it.skipIf(!verifies)(
    `has valid units${verifies ? '' : ' (skipped: systemd-analyze is not installed)'}`,
    () => {
      const directory = temporaryDirectory()
      const units = ['soc-correlator.service', 'soc-correlator.socket']
      for (const unit of units) copyFileSync(join(folder, unit), join(directory, unit))
      spawnSync('sed', ['-i', `s|/usr/bin/node|${process.execPath}|`, join(directory, units[0] ?? '')])
      const { status, stderr } = spawnSync(
        'systemd-analyze',
        ['verify', ...units.map((u) => join(directory, u))],
        {
          encoding: 'utf8',
        },
      )
      expect(stderr).toBe('')
      expect(status).toBe(0)
    },
  )

  it('has a hardened service, and a socket whose path and mode fit the program', () => {
    const service = readFileSync(join(folder, 'soc-correlator.service'), 'utf8')
    for (const directive of [
      ...[
        'DynamicUser=yes',
        'RuntimeDirectory=',
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'PrivateNetwork=yes',
      ],
      ...[
        'RestrictAddressFamilies=AF_UNIX',
        'CapabilityBoundingSet=\n',
        'SystemCallFilter=@system-service @pkey',
        'SystemCallErrorNumber=EPERM',
      ],
      ...['Type=notify', 'WatchdogSec=', 'ExecStart=/usr/bin/node /opt/soc/correlator.mjs'],
    ]) {
      expect(service).toContain(`\n${directive}`)
    }
    const socket = readFileSync(join(folder, 'soc-correlator.socket'), 'utf8')
    expect(socket).toMatch(/^ListenStream=\/run\/soc\/sentinel-events\.sock$/m)
    expect(socket).toMatch(/^SocketMode=0660$/m)
  })
})

describe.skipIf(!python || !LINUX)(`the example python${whyNoPython}`, () => {
  it('sends, after it has checked who listens', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('events', { directory })
    const sender = startProgram('python3', [join(examples, 'python/sender.py'), listener.address])
    const seen = []
    const connection = await listener.accept()
    for await (const { id, payload } of new Receiver(connection, 'r')) seen.push([id, payload])
    expect(seen).toEqual([1, 2, 3].map((number) => [String(number), { from: 'python', number }]))
    expect([await sender.ended, sender.errors]).toEqual([0, ''])
    listener.close()
  })

  it('receives, and says which lines are invalid', async () => {
    const path = join(temporaryDirectory(), 'events.sock')
    const receiver = startProgram('python3', [join(examples, 'python/receiver.py'), path])
    await receiver.says('listening')
    const connection = await dial('events', { path })
    expect(connection.peer.pid).toBe(receiver.child.pid)
    const sender = new Sender(connection, 's')
    await sender.sendBatch([newSOCMessage('soc_event', { text: 'ü' }), newSOCMessage('soc_ack')])
    await sender.close()
    expect(await receiver.ended).toBe(0)
    const uid = String(process.geteuid?.())
    expect(receiver.lines.slice(1)).toEqual([
      `uid ${uid}: soc_event {"text": "\\u00fc"}`,
      `uid ${uid}: soc_ack null`,
    ])
  })

  it.skipIf(!ROOT)(`refuses another user at either end${ROOT ? '' : ' (skipped: needs root)'}`, async () => {
    const directory = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-python-'))
    onTestFinished(() => void spawnSync('rm', ['-r', directory]))
    chmodSync(directory, 0o755)
    const listener = await listen('events', { directory, mode: 0o666, policy: { users: [0, 23_464] } })
    const copy = mkdtempSync(join(directory, 'code-'))
    chmodSync(copy, 0o755)
    for (const file of ['soc.py', 'sender.py']) {
      copyFileSync(join(examples, 'python', file), join(copy, file))
    }
    const as = ['-c', 'import os,sys; os.setgid(23464); os.setuid(23464); os.execvp("python3", ["python3", *sys.argv[1:]])'] // prettier-ignore
    const sender = startProgram('python3', [...as, join(copy, 'sender.py'), listener.address])
    expect(await sender.ended).toBe(1)
    expect(sender.errors).toContain('uid 0 listens at')
    listener.close()
  })
})

describe.skipIf(!hasGo || !LINUX)(`the example go${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer(join(examples, 'go'))
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  it('sends and receives', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('events', { directory })
    startProgram(program.path, ['send', listener.address])
    const seen = []
    for await (const { payload } of new Receiver(await listener.accept(), 'r')) seen.push(payload)
    expect(seen).toEqual([1, 2, 3].map((number) => ({ from: 'go', number })))
    const go = startProgram(program.path, ['receive', listener.address])
    const sender = new Sender(await listener.accept(), 's')
    await sender.send(newSOCMessage('soc_event', { number: 1 }))
    await sender.close()
    expect(await go.ended).toBe(0)
    expect(go.lines).toEqual(['soc_event {"number":1}'])
    listener.close()
  })

  it.skipIf(!python)(`speaks with the example python${whyNoPython}`, async () => {
    const path = join(temporaryDirectory(), 'events.sock')
    const receiver = startProgram('python3', [join(examples, 'python/receiver.py'), path])
    await receiver.says('listening')
    const go = startProgram(program.path, ['send', path])
    expect([await go.ended, await receiver.ended]).toEqual([0, 0])
    expect(receiver.lines.filter((line) => line.includes('"from": "go"'))).toHaveLength(3)
  })
})
