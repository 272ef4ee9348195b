// The samples of the README and of docs/, extracted and run as programs of a user: in processes of their own, over real
// sockets, with the package by its name. And their servers attacked while they run.

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'
import { Program, startProgram } from '../support/program.js'
import { until } from '../support/wait.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The blocks of code of a page that begin with this fence. */
function samplesOf(page: string, fence: string): string[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${fence}\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code)
}

/** One program of all samples: imports first, each name once. Samples are JavaScript but for type arguments of calls. */
function program(samples: readonly string[], directory: string): string {
  const imports = new Map<string, Set<string>>()
  const bodies = samples.map((code) =>
    code.replace(/^import \{ (.*) \} from '(.*)'\n/gm, (_all, names: string, from: string) => {
      for (const name of names.split(', ')) imports.set(from, (imports.get(from) ?? new Set()).add(name))
      return ''
    }),
  )
  const head = [...imports].map(([from, names]) => `import { ${[...names].join(', ')} } from '${from}'`)
  const withoutTypes = bodies.map((body) => body.replaceAll(/(request|respond)<.*?>\(/g, '$1('))
  return [...head, `const directory = ${JSON.stringify(directory)}`, ...withoutTypes].join('\n')
}

let programs = 0

/** Runs it from within the package, so that it finds sentinel-ipc by its name. */
function run(text: string, env: NodeJS.ProcessEnv = {}): Program {
  const folder = join(root, 'out', 'samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${process.pid}-${++programs}.mjs`)
  writeFileSync(path, text)
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  return startProgram(process.execPath, [path], { cwd: root, env: { ...process.env, ...env } })
}

function inDirectory(): string {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'events.ndjson'), '{"a":1}\n{"a":2}\n')
  return directory
}

/** Garbage, a line without end, half a line and a reset, replies of no request, and silence. */
async function attack(path: string): Promise<void> {
  const garbage = [
    'no message\n',
    'x'.repeat(2_000_000),
    '{"type":',
    '{"type":"soc_reply","ts":1,"payload":[]}\n',
    '{"type":"soc_heartbeat","id":"sentinel-delivery","ts":1,"payload":{"version":9}}\n',
    '',
  ]
  await Promise.all(
    garbage.map(
      (bytes) =>
        new Promise<void>((resolve) => {
          const socket = connect(path)
          socket.on('error', () => undefined)
          socket.on('close', () => {
            resolve()
          })
          socket.resume()
          if (bytes === '') return // hung up on by the idle limit, or with the server
          socket.write(bytes, () => {
            if (bytes === '{"type":') socket.destroy()
          })
          setTimeout(() => socket.destroy(), 300)
        }),
    ),
  )
}

/** The statement that makes a server, and the name that it listens at. */
const SERVER = /^const \w+ = serve\((?:\n {2})?await listen\('(\w+)'.*?^\}?\)$/gms

/** Pauses behind each server of a program, and attacks it meanwhile. */
async function runAttacked(text: string, directory: string): Promise<{ ended: Program; attacked: string[] }> {
  const pausing = text.replaceAll(
    SERVER,
    (statement, name: string) =>
      `${statement}\nconsole.log('attack ${name}'); await new Promise((resolve) => setTimeout(resolve, 400))`,
  )
  const child = run(pausing)
  const attacks = new Map<string, Promise<void>>()
  const watch = setInterval(() => {
    for (const line of child.lines) {
      const [, name] = /^attack (\w+)$/.exec(line) ?? []
      if (name !== undefined && !attacks.has(name)) attacks.set(name, attack(join(directory, `${name}.sock`)))
    }
  }, 10)
  let code: number | null | undefined
  void child.ended.then((ended) => (code = ended))
  try {
    await until(() => code !== undefined, 25_000)
  } catch (cause) {
    throw new Error(`it did not end, and said:\n${child.lines.join('\n')}\n${child.errors}`, { cause })
  } finally {
    clearInterval(watch)
  }
  await Promise.all(attacks.values())
  return { ended: child, attacked: [...attacks.keys()] }
}

const PAGES: readonly [page: string, output: readonly (string | RegExp)[], servers: readonly string[]][] = [
  [
    'docs/services.md',
    [
      "true { user: 'alice' }",
      '{ served: 1, aborted: 0 }',
      'db',
      'ERR_IPC_REMOTE ENOENT',
      'answer 42',
      'wanted',
      '1 0',
      'logon alice',
      /^checked: message "\d+" of type "logon": "\/user": expected a string$/,
    ],
    ['collector', 'lookup', 'questions', 'answers', 'feed', 'archive', 'checked'],
  ],
  [
    'docs/delivery.md',
    ['spooled', 'spooled', 'spooled', 'first 1', 'later 2', '{ acknowledged: 2, rejected: 1 }'],
    ['delivered'],
  ],
]

describe.each(PAGES)('%s', (page, output, servers) => {
  const samples = samplesOf(page, 'ts run')

  it('has samples that do what they say', async () => {
    const child = run(program(samples, inDirectory()))
    const code = await child.ended
    expect(child.errors).toBe('')
    // What two ends print comes in an order of its own.
    const sorted = page === 'docs/delivery.md' ? [...child.lines].sort() : child.lines
    const expected = page === 'docs/delivery.md' ? [...output].sort() : output
    expect(sorted).toEqual(
      expected.map((line): unknown => (typeof line === 'string' ? line : expect.stringMatching(line))),
    )
    expect(code).toBe(0)
  })

  it('has servers that outlive garbage, resets and idle limits', async () => {
    const directory = inDirectory()
    // Shorter, so that it strikes.
    const text = program(samples, directory).replace('idleTimeoutMs: 60_000', 'idleTimeoutMs: 100')
    const { ended, attacked } = await runAttacked(text, directory)
    expect(attacked).toEqual(servers)
    expect(ended.errors).not.toMatch(/unhandled|Uncaught/i)
    // Among the garbage there are no messages that these servers print, so all that they print otherwise is there too.
    for (const line of output) {
      if (typeof line !== 'string' || /^(\d+ \d+|\{.*\})$/.test(line)) continue // counts, which the attackers change
      expect(ended.lines).toContain(line)
    }
    expect(ended.errors).toMatch(/a connection failed: .*/)
    expect(await ended.ended).toBe(0)
  })
})

describe('README.md', () => {
  const samples = samplesOf('README.md', 'js')
  const [correlator = '', collector = '', policies = '', sender = '', receiver = '', swarm = ''] = samples

  it('has no sample that is not run here', () => {
    expect(samples).toHaveLength(6)
    expect([correlator, collector].map((code) => code.split('\n')[0])).toEqual([
      '// correlator.mjs: listens',
      '// collector.mjs: dials',
    ])
  })

  it('has two first programs that meet, also after an attack', async () => {
    const directory = temporaryDirectory()
    const env = { SENTINEL_IPC_DIRECTORY: directory }
    const path = join(directory, 'ingest-to-correlate.sock')
    const server = run(correlator, env)
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined)
    const attacked = attack(path)
    await until(() => server.errors.includes('a connection failed:'))
    const client = run(collector, env)
    expect([await client.ended, client.errors]).toEqual([0, ''])
    await server.says("soc_event { host: 'web-01', action: 'login_failed' }")
    expect(server.errors).not.toMatch(/unhandled|Uncaught/i)
    await server.end()
    await attacked
  })

  it('has a sender with a spool and a receiver that meet, also after an attack', async () => {
    const directory = temporaryDirectory()
    const env = { SENTINEL_IPC_DIRECTORY: directory }
    const path = join(directory, 'ingest.sock')
    const server = run(receiver, env)
    await until(() => statSync(path, { throwIfNoEntry: false }) !== undefined)
    const attacked = attack(path)
    const text = sender
      .replace("'/var/lib/soc/spool'", JSON.stringify(join(directory, 'spool')))
      .replace(
        'await sender.send(message)',
        "console.log(await sender.send(newSOCMessage('soc_event', 'kept')))",
      )
      .replace('Spool }', 'Spool, newSOCMessage }')
    const client = run(text, env)
    expect([await client.ended, client.errors]).toEqual([0, ''])
    expect(client.lines).toEqual(["{ status: 'spooled' }"])
    await server.says('kept')
    await server.end()
    await attacked
  })

  const root = process.geteuid?.() === 0
  it.skipIf(!root)(`has a policy that listens${root ? '' : ' (skipped: needs root)'}`, async () => {
    const directory = temporaryDirectory()
    // Accounts that every Linux has.
    const text = policies
      .replace("'/run/soc'", JSON.stringify(directory))
      .replace("group: 'soc'", "group: 'daemon'")
      .replace("['collector']", "['daemon']")
      .replace("['responders']", "['bin']")
    const child = run(`import { listen } from 'sentinel-ipc'\n${text}console.log('listening')`)
    await child.says('listening')
    expect(statSync(join(directory, 'alerts.sock')).mode & 0o777).toBe(0o660)
    await child.end()
    expect(child.errors).toBe('')
  })

  it('has a node of a swarm that listens and dials', async () => {
    const directory = temporaryDirectory()
    const text = swarm.replace("'/run/soc'", JSON.stringify(directory))
    const child = run(`const signal = AbortSignal.timeout(1500)\n${text}console.log('dialled')`)
    await child.says('dialled')
    expect([await child.ended, child.errors]).toEqual([0, ''])
  })
})
