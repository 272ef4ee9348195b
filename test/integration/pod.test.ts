// The set-up of docs/hardening.md: two containers, each with a user and a pid namespace of its own, that share a volume as
// Kubernetes makes it. Runs the programs and commands of that page. And user namespaces, where owners have no id.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/hardening.md'), 'utf8')
const isRoot = process.getuid?.() === 0
const ALICE = 23_456

function works(...command: readonly string[]): boolean {
  const [program = '', ...args] = command
  return isRoot && spawnSync(program, args).status === 0
}

const pods = works('unshare', '--pid', '--mount-proc', '--fork', 'true')
const whyNot = pods ? '' : ' (skipped: needs root and the right to make namespaces)'

/** The code of the page in a language, whose first line begins so. */
function codeOf(language: string, begin: string): string {
  const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.find(([, lang, code]) => lang === language && code?.startsWith(begin) === true)
  return found?.[2] ?? ''
}

describe.skipIf(!pods)(`two containers that share a volume${whyNot}`, () => {
  it('talk to each other as docs/hardening.md shows', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    mkdirSync(join(directory, 'node_modules'))
    symlinkSync(root, join(directory, 'node_modules', 'sentinel-ipc'))
    for (const name of ['correlator.mjs', 'collector.mjs']) {
      writeFileSync(join(directory, name), codeOf('js', `// ${name}`), { mode: 0o644 })
    }
    const shell = spawn('bash', ['-c', codeOf('sh', 'mkdir -p "$SENTINEL_IPC_DIRECTORY"')], {
      cwd: directory,
      env: {
        ...process.env,
        PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}`,
        SENTINEL_IPC_DIRECTORY: join(directory, 'volume'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [said, failed, exit] = await Promise.all([
      text(shell.stdout),
      text(shell.stderr),
      once(shell, 'exit'),
    ])
    expect(failed).toBe('')
    expect(said).toBe('uid 10002, pid 0: soc_event\n')
    expect(exit).toEqual([0, null])
  })
})

const BECOME = ['--reuid', `${ALICE}`, '--regid', `${ALICE}`, '--clear-groups', 'unshare', '-Ur']
const AS_ALICE = { execPath: 'setpriv', execArgv: [...BECOME, process.execPath] }
const users = works('setpriv', ...BECOME, 'true')
const whyNoUsers = users ? '' : ' (skipped: needs root and the right to make user namespaces)'

describe.skipIf(!users)(`a user namespace to which root is not mapped${whyNoUsers}`, () => {
  it('has directories without an owner there, and the error says what to map', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o777)
    const child = startChild('endpoint', { role: 'listen', directory }, AS_ALICE)
    const { failed } = await child.report<{ failed: { code: string; message: string } }>()
    expect(failed.code).toBe('ERR_IPC_UNSAFE_PATH')
    expect(failed.message).toContain('directory / belongs to user 65534')
    expect(failed.message).toContain('have none in this user namespace: map uid 0 into it')
  })

  it('has peers without a user here, and the error says what to map', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o755)
    const policy = { users: [0, ALICE] }
    const listener = startChild('endpoint', { role: 'listen', directory, mode: 0o666, policy })
    expect(await listener.report()).toHaveProperty('listening')
    const child = startChild('endpoint', { role: 'dial', directory, policy }, AS_ALICE)
    const { failed } = await child.report<{ failed: { reason: string; message: string } }>()
    expect(failed.reason).toBe('unmapped-user')
    expect(failed.message).toContain('map the user into this namespace (newuidmap(1))')
  })
})
