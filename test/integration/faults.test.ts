// When system calls fail for lack of descriptors or memory there is a clear error or a retry, never a crash, a leak or a spin,
// and service resumes once they are available again. The failures are injected by an LD_PRELOAD shim (test/native/faults).

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

import { listen } from '../../lib/connection/listener.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf } from '../support/wait.js'

/** What is open, and in the directory of the socket. */
interface Holding {
  readonly files: string[]
  readonly descriptors: number
}

interface Exhaustion {
  readonly before: Holding
  /** With 0, 1, 2, … free descriptors. */
  readonly failures: { readonly error: string; readonly after: Holding }[]
  readonly end: Holding
}

const WANT = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'] as const
const shim = fileURLToPath(new URL('../../out/test/faults.so', import.meta.url))
const addon = fileURLToPath(new URL('../../build/Release/sentinel_ipc.node', import.meta.url))

interface Report {
  readonly errors: string[]
  readonly leaked: number
  readonly exhausted: number
  readonly idleCpuMs: number
  readonly peerExited: boolean
}

type Want = (typeof WANT)[number]

function fault(call: string, name: Want, times = 1): string {
  return `${call}:${constants.errno[name]}:${times}`
}

async function runWith(faults: readonly string[]): Promise<Report> {
  const directory = temporaryDirectory()
  const adoptedPath = join(directory, 'adopted.sock')
  // Only the child shall accept there, so ours goes when the child has it, without its file.
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${adoptedPath}-`, resolve))
  renameSync(`${adoptedPath}-`, adoptedPath)
  const descriptor = (server as unknown as { _handle: { fd: number } })._handle.fd
  const left = join(directory, 'left')
  const child = startChild(
    'faulty',
    { directory, adoptedPath },
    { env: { ...process.env, LD_PRELOAD: shim, FAULTS: faults.join(), FAULTS_LEFT: left }, descriptor },
  )
  server.close()
  const report = await child.report<Report>()
  expect((await child.exited)[0]).toBe(0)
  expect(report.leaked).toBeLessThanOrEqual(0)
  expect(report.idleCpuMs).toBeLessThan(150)
  expect(report.peerExited).toBe(false)
  expect(readFileSync(left, 'utf8'), 'faults that were never met').toBe('0')
  return report
}

/** Calls whose failure keeps an operation from succeeding: each must be reported as an error. */
const TOLD = [
  ...['socket', 'socketpair', 'eventfd', 'epoll_create1', 'bind', 'listen', 'connect', 'fcntl'],
  ...['open', 'statx', 'readlink', 'mkdir', 'chmod', 'fchmod', 'fchownat', 'removexattr', 'flock'],
  ...['getpwnam_r', 'getgrnam_r'],
]
/** Socket options whose failure refuses a peer or a descriptor: credentials, groups, type, is listening. */
const REFUSING_OPTIONS = [17, 59, 3, 30]

/**
 * Calls that are made again, or whose answer can be done without for the moment: the next client, the wake-up of a thread,
 * a look at unread connections, the address of an adopted descriptor, the usual ids of other user namespaces, what /proc
 * has of a peer, the label and the cookie of a socket, and its file by descriptor.
 */
const UNTOLD = [
  'accept4',
  'epoll_wait',
  'read',
  'ioctl',
  'poll',
  'getsockname',
  'fopen',
  'openat',
  'readlinkat',
  'access',
  'getsockopt/31',
  'getsockopt/57',
]
/** The same, where no descriptor is made, so that only memory can be wanting. */
const UNTOLD_OF_MEMORY = ['send', 'recv', 'write']

/** A call without which a connection cannot be read: the connection ends with an error for its receiver. */
const ENDING = 'epoll_ctl'

/** Cannot fail for want of anything, or take memory of the process alone. */
const NEVER_FAIL = [
  'abort',
  'close',
  'geteuid',
  'pthread_join',
  'pthread_sigmask',
  'pthread_mutex_lock',
  'pthread_mutex_unlock',
  'clock_gettime',
  'closedir',
  'getrusage',
  'sched_getaffinity',
]

/** Of the files of a spool alone: their failures are reported by promises, which test/unit/spool shows. */
const OF_FILES = ['fdopendir', 'readdir', 'fsync', 'renameat']

/** Of notifications to systemd alone: test/unit/systemd shows what happens when they cannot be sent. */
const OF_NOTIFICATIONS = ['sendto']

beforeAll(() => {
  const source = fileURLToPath(new URL('../native/faults/faults.c', import.meta.url))
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-o', shim, source, '-ldl'])
})

// A sanitizer's runtime must be loaded first, and has its own view of these calls.
describe.skipIf(process.env['SANITIZED'] === '1')('a call of the addon that fails', () => {
  it('is tested for each call that the addon makes', () => {
    const symbols = execFileSync('nm', ['--dynamic', '--undefined-only', addon], { encoding: 'utf8' })
    const imported = [...symbols.matchAll(/ U (\w+)@GLIBC/g)].map(([, name = '']) =>
      name
        .replace(/64$/, '')
        .replace(/^(open|readlink|mkdir|unlink)at$/, '$1')
        .replace('fchmodat', 'chmod'),
    )
    const calls = imported.filter((name) => !/^(_|mem|str|sigfillset|getenv|fclose)/.test(name))
    const injected = [
      ...[...TOLD, ...UNTOLD, ...UNTOLD_OF_MEMORY, ENDING],
      ...['getsockopt', 'unlink', 'pthread_create', 'syscall'], // the last one for statx alone
    ]
    expect(calls.length).toBeGreaterThan(30)
    const elsewhere = [...NEVER_FAIL, ...OF_FILES, ...OF_NOTIFICATIONS]
    expect(calls.filter((call) => ![...injected, ...elsewhere].includes(call))).toEqual([])
  })

  it('does nothing while nothing fails', async () => {
    expect((await runWith([])).errors).toEqual([])
  })

  it.each(WANT)('with %s is reported or refuses a peer, and then there is service', async (name) => {
    const options = REFUSING_OPTIONS.map((option) => `getsockopt/${option}`)
    const { errors } = await runWith([...TOLD, ...options].map((call) => fault(call, name)))
    for (const error of errors) {
      expect(error).toMatch(/ERR_IPC_(SYSTEM|CLOSED|PEER_UNKNOWN|TIMEOUT)|adopt ERR_IPC_UNSAFE_PATH/)
    }
    for (const call of TOLD) {
      expect(errors.filter((error) => error.endsWith(` ERR_IPC_SYSTEM ${name} ${call}`))).toHaveLength(1)
    }
    expect(errors.filter((error) => error.startsWith('adopt ERR_IPC_UNSAFE_PATH'))).toHaveLength(2)
    expect(errors.length).toBeGreaterThan(TOLD.length + 2)
  })

  it.each(WANT)(
    'with %s to read the groups of a peer refuses the peer, rather than take it for one without groups',
    async (name) => {
      const { errors } = await runWith([fault('getsockopt/59', name)])
      // The side that is refused hears nothing: which side read the groups first is left to the threads.
      const ofRefuser = `exchange ERR_IPC_PEER_UNKNOWN ${name} getsockopt SO_PEERGROUPS`
      expect([[ofRefuser], ['exchange ERR_IPC_TIMEOUT  ']]).toContainEqual(errors)
    },
  )

  it.each(WANT)('with %s is made again, where that or doing without is enough', async (name) => {
    const ofMemory = name === 'ENOBUFS' || name === 'ENOMEM' ? UNTOLD_OF_MEMORY : []
    const { errors, exhausted } = await runWith([...UNTOLD, ...ofMemory].map((call) => fault(call, name)))
    expect(errors).toEqual([])
    expect(exhausted).toBe(1)
  })

  it.each(WANT)('with %s ends a connection that it keeps from being read', async (name) => {
    const { errors } = await runWith([fault(ENDING, name, 2)])
    const told = `exchange ERR_IPC_CLOSED ${name} ${ENDING}`
    expect(errors).toEqual([told, told])
  })

  it('to remove a dead socket is reported; one to remove its own socket leaves it to the next start', async () => {
    const { errors } = await runWith([fault('unlink', 'ENOMEM', 4)])
    expect(errors).toEqual(['listen ERR_IPC_SYSTEM ENOMEM unlink'])
  })

  it('to open the process of a peer leaves its executable unknown, and is reported to a watcher', async () => {
    const { errors } = await runWith(WANT.map((name) => fault('getsockopt/77', name, 4)))
    for (const error of errors) expect(error).toMatch(/^watch ERR_IPC_SYSTEM E\w+ getsockopt SO_PEERPIDFD$/)
  })

  it('to start a thread with EAGAIN is reported', async () => {
    const { errors } = await runWith([`pthread_create:${constants.errno.EAGAIN}:2`])
    expect(errors).toEqual(Array(2).fill('listen ERR_IPC_SYSTEM EAGAIN pthread_create'))
  })
})

describe.skipIf(process.env['SANITIZED'] === '1')('a lock whose file is removed before it is taken', () => {
  it('is taken again, on the file that the next starter finds', async () => {
    const directory = temporaryDirectory()
    const env = { ...process.env, LD_PRELOAD: shim, FAULTS: 'flock/removed:0:1' }
    const child = startChild('endpoint', { role: 'listen', directory }, { env })
    expect(await child.report()).toHaveProperty('listening')
    expect(existsSync(join(directory, 'test.sock.lock'))).toBe(true)
    const error = await rejectionOf(listen('test', { directory }))
    expect(error).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    expect((error as Error).message).toContain('another listener holds')
  })
})

describe('a process with all its descriptors in use', () => {
  it.each([false, true])(
    'leaves nothing behind when it cannot listen (in place of a dead socket: %j)',
    async (dead) => {
      const directory = temporaryDirectory()
      const limited = join(temporaryDirectory(), 'node')
      // Node raises the soft limit to the hard one, and this lowers both.
      writeFileSync(limited, `#!/bin/sh\nulimit -n 100 && exec '${process.execPath}' "$@"\n`, { mode: 0o700 })
      const child = startChild('no-descriptors', { directory, dead }, { execPath: limited })
      const { before, failures, end } = await child.report<Exhaustion>()
      // The notify pair, the directory, the lock, the socket, and its file or the waker.
      expect(failures.length).toBeGreaterThanOrEqual(6)
      for (const { error, after } of failures) {
        expect(error).toBe('ERR_IPC_SYSTEM EMFILE')
        expect(after).toEqual(before)
      }
      expect(end).toEqual({ files: [], descriptors: before.descriptors })
    },
  )

  it('serves all clients in the end', async () => {
    const child = startChild('few-descriptors', { directory: join(temporaryDirectory(), 'd') })
    expect(await child.report()).toMatchObject({ served: 150 })
  }, 60_000)
})
