// System calls that fail for want of descriptors or memory: a clear error or another try, never a crash, a leak or a spin;
// and service comes back when the want ends. The failures are injected by an LD_PRELOAD shim (test/faults).

import { execFileSync } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

const { EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN } = constants.errno
const shim = fileURLToPath(new URL('../../out/test/faults.so', import.meta.url))

interface Report {
  readonly errors: string[]
  readonly leaked: number
  readonly exhausted: number
  readonly idleCpuMs: number
}

async function runWith(faults: string): Promise<Report> {
  const child = startChild(
    'faulty',
    { directory: temporaryDirectory() },
    { env: { ...process.env, LD_PRELOAD: shim, FAULTS: faults } },
  )
  const report = await child.report<Report>()
  expect((await child.exited)[0]).toBe(0)
  expect(report.leaked).toBeLessThanOrEqual(0)
  expect(report.idleCpuMs).toBeLessThan(150)
  return report
}

beforeAll(() => {
  const source = fileURLToPath(new URL('../faults/faults.c', import.meta.url))
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-o', shim, source, '-ldl'])
})

// A sanitizer's runtime must be loaded first, and has its own view of these calls.
describe.skipIf(process.env['SANITIZED'] === '1')('a call of the addon that fails', () => {
  it('does nothing while nothing fails', async () => {
    expect((await runWith('')).errors).toEqual([])
  })

  it.each<[string, number, string]>(
    [EMFILE, ENFILE, ENOBUFS, ENOMEM].flatMap((code) =>
      ['socket', 'socketpair', 'bind', 'listen', 'fchmod', 'open', 'statx', 'connect', 'send']
        .filter((call) => call !== 'send')
        .map((call): [string, number, string] => [
          call,
          code,
          Object.entries(constants.errno).find(([, n]) => n === code)?.[0] ?? '',
        ]),
    ),
  )('%s with %d (%s): an error that says so, then service', async (call, code, name) => {
    const { errors } = await runWith(`${call}:${code}:3`)
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) {
      expect(error).toMatch(/ERR_IPC_(SYSTEM|CLOSED|PEER_UNKNOWN|TIMEOUT)/)
      if (error.includes('SYSTEM')) expect(error).toContain(name)
    }
  })

  it.each([EMFILE, ENFILE, ENOBUFS, ENOMEM])(
    'accept4 with %d: the client waits and is served',
    async (code) => {
      const { errors, exhausted } = await runWith(`accept4:${code}:3`)
      expect(errors).toEqual([])
      expect(exhausted).toBe(3)
    },
  )

  it.each([EMFILE, ENFILE, ENOBUFS, ENOMEM])(
    'getsockopt with %d: nobody passes whose identity is unread',
    async (code) => {
      const { errors } = await runWith(`getsockopt:${code}:3`)
      for (const error of errors) expect(error).toMatch(/ERR_IPC_(PEER_UNKNOWN|CLOSED|TIMEOUT)/)
    },
  )

  it.each([ENOBUFS, ENOMEM])('send with %d: the message waits and gets out', async (code) => {
    expect((await runWith(`send:${code}:3`)).errors).toEqual([])
  })

  it('pthread_create with EAGAIN: listening fails with the reason', async () => {
    const { errors } = await runWith(`pthread_create:${EAGAIN}:2`)
    expect(errors).toEqual(['listen ERR_IPC_SYSTEM EAGAIN', 'listen ERR_IPC_SYSTEM EAGAIN'])
  })

  it('poll with ENOMEM: the accept thread pauses and goes on', async () => {
    expect((await runWith(`poll:${ENOMEM}:5`)).errors).toEqual([])
  })
})

describe('a process with all its descriptors in use', () => {
  it('serves all clients in the end', async () => {
    const child = startChild('few-descriptors', { directory: join(temporaryDirectory(), 'd') })
    expect(await child.report()).toMatchObject({ served: 150 })
  }, 60_000)
})
