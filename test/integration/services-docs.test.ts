// Every sample of docs/services.md, extracted and run as one program of a user: in a process of its own, over real sockets,
// with the package by its name. And attacked while it runs.

import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/services.md'), 'utf8')
const samples = [...page.matchAll(/```ts run\n(.*?)```/gs)].map(([, code = '']) => code)

/** One program of all samples: imports first, each name once. Samples are JavaScript but for type arguments of calls. */
function program(directory: string, between: (sample: number) => string): string {
  const imports = new Map<string, Set<string>>()
  const bodies = samples.map((code) =>
    code.replace(/^import \{ (.*) \} from '(.*)'\n/gm, (_all, names: string, from: string) => {
      for (const name of names.split(', ')) imports.set(from, (imports.get(from) ?? new Set()).add(name))
      return ''
    }),
  )
  const head = [...imports].map(([from, names]) => `import { ${[...names].join(', ')} } from '${from}'`)
  const withoutTypes = bodies.map((body) => body.replaceAll(/(request|respond)<.*?>\(/g, '$1('))
  return [
    ...head,
    `const directory = ${JSON.stringify(directory)}`,
    ...withoutTypes.map((body, i) => `${body}\n${between(i)}`),
  ].join('\n')
}

interface Outcome {
  readonly code: number | null
  readonly lines: string[]
  readonly errors: string
}

/** Runs it from within the package, so that it finds sentinel-ipc by its name. */
async function run(
  text: string,
  name: string,
  onLine: (line: string) => void = () => undefined,
): Promise<Outcome> {
  const folder = join(root, 'out', 'samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${name}-${process.pid}.mjs`)
  writeFileSync(path, text)
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  const child = spawn(process.execPath, [path], { cwd: root })
  const lines: string[] = []
  let rest = ''
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  child.stdout.on('data', (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      lines.push(line)
      onLine(line)
    }
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, lines, errors }
}

function inDirectory(): string {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'events.ndjson'), '{"a":1}\n{"a":2}\n')
  return directory
}

describe('docs/services.md', () => {
  it('has samples that do what they say', async () => {
    const { code, lines, errors } = await run(
      program(inDirectory(), () => ''),
      'samples',
    )
    expect(errors).toBe('')
    expect(lines).toEqual([
      "true { user: 'alice' }",
      '{ served: 1, aborted: 0 }',
      'db',
      'ERR_IPC_REMOTE ENOENT',
      'wanted',
      '1 0',
      'logon alice',
      'checked: message "' +
        (/message "(\d+)"/.exec(lines.join('\n'))?.[1] ?? '') +
        '" of type "logon": "/user": expected a string',
    ])
    expect(code).toBe(0)
  })

  it('has servers that outlive garbage, resets and idle limits', async () => {
    const directory = inDirectory()
    const servers = ['collector', 'lookup', 'feed', 'archive', 'checked']
    const isServer = (i: number): string | undefined =>
      servers.find((name) => samples[i]?.includes(`listen('${name}'`) === true)
    const attacked: Promise<void>[] = []
    const { code, lines, errors } = await run(
      // Shorter, so that it strikes.
      program(directory, (i) => {
        const name = isServer(i)
        // The first three have their client in a later sample: they are attacked in between.
        return name === undefined || i > 3
          ? ''
          : `console.log('attack ${name}'); await new Promise((resolve) => setTimeout(resolve, 400))`
      }).replace('idleTimeoutMs: 60_000', 'idleTimeoutMs: 100'),
      'attacked',
      (line) => {
        const [, name] = /^attack (\w+)$/.exec(line) ?? []
        if (name !== undefined) attacked.push(attack(join(directory, `${name}.sock`)))
      },
    )
    await Promise.all(attacked)
    expect(attacked).toHaveLength(2)
    expect(lines.filter((line) => !line.startsWith('attack'))).toContain('db')
    expect(lines).toContain("true { user: 'alice' }")
    expect(errors).toMatch(/a connection failed: \w*IpcError/)
    expect(errors).toMatch(/ERR_IPC_TIMEOUT/)
    expect(errors).not.toMatch(/unhandled|Uncaught/i)
    expect(code).toBe(0)
  })
})

/** Garbage, a line without end, half a line and a reset, and silence. */
async function attack(path: string): Promise<void> {
  const bytes = [
    'no message\n',
    'x'.repeat(2_000_000),
    '{"type":',
    '{"type":"soc_reply","ts":1,"payload":[]}\n',
    '',
  ]
  await Promise.all(
    bytes.map(
      (garbage) =>
        new Promise<void>((resolve) => {
          const socket = connect(path)
          socket.on('error', () => undefined)
          socket.on('close', () => {
            resolve()
          })
          socket.resume()
          if (garbage === '') return // hung up on by the idle limit, or with the process
          socket.write(garbage, () => {
            if (garbage.startsWith('{"type":') && !garbage.endsWith('\n')) socket.destroy()
          })
          setTimeout(() => socket.destroy(), 300)
        }),
    ),
  )
}
