// Two hosts, as network namespaces of Linux: collectors and their way out on one, NATS, the way in and the correlator on the other. The
// cable between them is pulled once. Needs root.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import type { OutputEntry } from './chaos/parts.js'
import { whyNoServer } from './nats-server.js'

const why = ((): string | undefined => {
  if (whyNoServer !== undefined) return whyNoServer
  if (process.getuid?.() !== 0) return 'skipped: not root'
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'skipped: no ip(8) with network namespaces'
  }
})()

const ip = (...words: string[]): void => {
  execFileSync('ip', words, { stdio: 'ignore' })
}

/** Two namespaces with a cable between them; gone with the test. */
function twoHosts(): { readonly collector: string; readonly correlator: string; readonly cable: string } {
  const collector = `sipc${process.pid}a`
  const correlator = `sipc${process.pid}b`
  const cable = `sa${process.pid}`
  const other = `sb${process.pid}`
  for (const name of [collector, correlator]) {
    ip('netns', 'add', name)
    onTestFinished(() => {
      ip('netns', 'del', name)
    })
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  ip('link', 'add', cable, 'netns', collector, 'type', 'veth', 'peer', 'name', other, 'netns', correlator)
  ip('-n', collector, 'addr', 'add', '10.231.77.1/24', 'dev', cable)
  ip('-n', correlator, 'addr', 'add', '10.231.77.2/24', 'dev', other)
  ip('-n', collector, 'link', 'set', cable, 'up')
  ip('-n', correlator, 'link', 'set', other, 'up')
  return { collector, correlator, cable }
}

function startAt(host: string, program: string, ...words: string[]): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', host, program, ...words], {
    stdio: 'ignore',
  })
  onTestFinished(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

function startPart(host: string, part: string, argument: object): ChildProcess {
  const script = fileURLToPath(new URL(`../../out/test/bridge/chaos/${part}.js`, import.meta.url))
  if (!existsSync(script)) throw new Error(`${script} is not there: run 'npm run compile' first`)
  return startAt(host, process.execPath, script, JSON.stringify(argument))
}

function idsIn(output: string): string[] {
  if (!existsSync(output)) return []
  const text = readFileSync(output, 'utf8')
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines.filter((line) => line !== '').flatMap((line) => (JSON.parse(line) as OutputEntry).ids)
}

describe.skipIf(why !== undefined)(`two hosts${why ?? ''}`, () => {
  it('carry messages from collectors to a correlator, also across a cable that was pulled', async () => {
    const directory = temporaryDirectory()
    const { collector, correlator, cable } = twoHosts()
    const [near, far] = ['near', 'far'].map((name) => {
      const path = join(directory, name)
      mkdirSync(path, { mode: 0o700 })
      return path
    }) as [string, string]
    const config = join(directory, 'nats.conf')
    writeFileSync(
      config,
      `listen: "10.231.77.2:4222"\njetstream { store_dir: ${JSON.stringify(join(far, 'store'))} }\n`,
    )
    startAt(correlator, 'nats-server', '-c', config)
    const servers = 'nats://10.231.77.2:4222'
    const output = join(far, 'output')
    startPart(correlator, 'receiver', { directory: far, output })
    startPart(correlator, 'in', { directory: far, servers })
    startPart(collector, 'out', {
      directory: near,
      servers,
      spool: join(near, 'spool-out'),
      batch: 100,
      inFlight: 8,
    })
    const messages = 2000
    for (const id of [0, 1]) {
      startPart(collector, 'sender', {
        directory: near,
        id,
        messages,
        spool: join(near, `spool-${id}`),
        pauseMs: 15,
      })
    }
    await until(() => idsIn(output).length > 200, 30_000)
    ip('-n', collector, 'link', 'set', cable, 'down')
    await new Promise((resolve) => setTimeout(resolve, 1500))
    ip('-n', collector, 'link', 'set', cable, 'up')
    await until(() => idsIn(output).length >= 2 * messages, 60_000)
    for (const sender of [0, 1]) {
      const numbers = idsIn(output)
        .filter((id) => id.startsWith(`${sender}:`))
        .map((id) => Number(id.split(':')[1]))
      expect(numbers).toEqual(Array.from({ length: messages }, (_, i) => i + 1))
    }
  }, 120_000)
})
