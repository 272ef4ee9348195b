// `sentinel-ipc doctor` against real misconfigurations: each must end with its cause and its remedy. Some need root, to act as
// other users and to make namespaces.

import { execFileSync } from 'node:child_process'
import { type Stats } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { CAUSES, Report, type Cause } from '../../lib/cli/doctor/report.js'
import { diagnose } from '../../lib/cli/doctor/diagnose.js'
import { IpcError } from '../../lib/base/errors.js'
import { serve } from '../../lib/services/server.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { whySkipped } from './support/case.js'
import { CASES } from './support/misconfigurations.js'
import { run } from './support/command.js'

describe('doctor finds the cause of', () => {
  for (const entry of CASES) {
    const why = whySkipped(entry)
    it.skipIf(why !== '')(`${entry.title}${why}`, async () => {
      const { args, options } = await entry.setUp(temporaryDirectory())
      const { code, stdout, stderr } = await run(['doctor', ...args, '--json'], options)
      // Node itself says that its permission model is experimental.
      expect(stderr.replaceAll(/^\((?:node|Use).*\n/gm, '')).toBe('')
      const found = JSON.parse(stdout) as { ok: boolean; cause: Cause; text: string; remedy: string }
      expect(found).toMatchObject({ ok: false, cause: entry.cause })
      expect(found.remedy).toMatch(entry.remedy)
      expect(found.text).not.toContain('undefined')
      expect(code).toBe(1)
    })
  }

  const somewhere = { address: '/x/y.sock', directory: '/x', missing: undefined, socket: undefined }
  const listeners = { pids: [], count: 0, elsewhere: false }

  // Without a security module to refuse, and as few descriptors stop Node itself, from the errors that they give.
  it.each<[Cause, RegExp, IpcError, object]>([
    ['no-descriptors', /ulimit -n/, failure('ERR_IPC_SYSTEM', 'EMFILE'), {}],
    [
      'security-module',
      /SELinux/,
      failure('ERR_IPC_ACCESS_DENIED', 'EACCES'),
      { uid: process.geteuid?.(), mode: 0o140600 },
    ],
    ['other', /SENTINEL_IPC_DEBUG/, failure('ERR_IPC_SYSTEM', 'EIO'), {}],
  ])('%s', (cause, remedy, error, socket) => {
    const report = new Report()
    const place = { ...somewhere, socket: socket as Stats }
    diagnose(report, { what: 'dial', error, place, listeners })
    expect(report.diagnosis).toMatchObject({ cause })
    expect(report.diagnosis?.remedy).toMatch(remedy)
  })

  it('every cause that it knows', () => {
    const tried = new Set<Cause>([
      ...CASES.map(({ cause }) => cause),
      'no-descriptors',
      'security-module',
      'other',
    ])
    expect(CAUSES.filter((cause) => !tried.has(cause))).toEqual([])
    expect(CASES.length).toBeGreaterThanOrEqual(20)
  })
})

function failure(code: 'ERR_IPC_SYSTEM' | 'ERR_IPC_ACCESS_DENIED', system: string): IpcError {
  const cause = Object.assign(new Error(`connect ${system}`), { code: system })
  return new IpcError(code, `it failed (connect ${system})`, { cause })
}

describe('doctor', () => {
  it('ends with ok for a listener that lets this user in, and says who it is', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listening(directory), (connection) => connection.whenClosed())
    const { code, stdout } = await run(['doctor', 'test', '-d', directory])
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('ok')
    expect(stdout).toMatch(new RegExp(`^✓ peer +pid ${process.pid}, uid ${process.getuid?.() ?? ''},`, 'm'))
    expect(stdout).toMatch(/^✓ lock .*held by pid \d+/m)
    expect(stdout).toContain(`✓             ${directory} `)
    await server.close()
  })

  it('examines the installation alone without a name', async () => {
    const { code, stdout } = await run(['doctor', '--json'])
    expect(code).toBe(0)
    const { ok, facts } = JSON.parse(stdout) as { ok: boolean; facts: { topic: string }[] }
    expect(ok).toBe(true)
    const topics = facts.map(({ topic }) => topic)
    expect(topics).toEqual(
      expect.arrayContaining(['node', 'binary', 'kernel', 'security', 'namespaces', 'limits']),
    )
  })

  it('leaves nothing behind where it listens', async () => {
    const directory = temporaryDirectory()
    expect((await run(['doctor', 'test', '-d', directory, '--listen'])).code).toBe(0)
    expect(execFileSync('ls', ['-A', directory], { encoding: 'utf8' })).toBe('')
  })

  it('prints the cause and the remedy last', async () => {
    const { stdout } = await run(['doctor', 'test', '-d', temporaryDirectory()])
    const [cause, remedy] = stdout.trimEnd().split('\n').slice(-2)
    expect(cause).toMatch(/^cause: {2}nothing listens at .* \[nothing\]$/)
    expect(remedy).toMatch(/^remedy: start the listener/)
  })
})
