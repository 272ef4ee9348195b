// A NATS server with JetStream for tests: on a free loopback port, with a store that goes away with the test. Knows when the
// program is not installed.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PROGRAM = 'nats-server'

/** The version of the installed server; undefined if there is none. */
export const serverVersion = ((): string | undefined => {
  try {
    return execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
})()

/** Why tests against the real server are skipped; undefined if they run. */
export const whyNoServer =
  serverVersion === undefined
    ? `skipped: ${PROGRAM} is not installed (apt-get install nats-server)`
    : undefined

export class NatsServer {
  readonly #directory: string
  readonly #host: string
  #config: string
  /** The kernel chooses it at the first start, so that tests that run at the same time never meet. */
  #port: number | undefined
  #process: ChildProcess | undefined

  private constructor(directory: string, config: string, host: string) {
    this.#directory = directory
    this.#host = host
    this.#config = config
  }

  /** Starts a server whose store is in `directory`. `config` is added to its configuration. */
  static async start(directory: string, config = '', host = '127.0.0.1'): Promise<NatsServer> {
    const server = new NatsServer(directory, config, host)
    await server.resume()
    return server
  }

  get port(): number {
    return this.#port ?? -1
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  /** Starts it again, at the same port; with another addition to its configuration if one is given. */
  async resume(config = this.#config): Promise<void> {
    this.#config = config
    const file = join(this.#directory, 'nats.conf')
    const store = JSON.stringify(join(this.#directory, 'store'))
    const settings = [
      `listen: "${this.#host}:${this.port}"`,
      `ports_file_dir: ${JSON.stringify(this.#directory)}`,
      `jetstream { store_dir: ${store} }`,
    ]
    writeFileSync(file, `${settings.join('\n')}\n${config}\n`)
    const child = spawn(PROGRAM, ['-c', file], { stdio: 'ignore' })
    this.#process = child
    for (let tries = 0; ; ++tries) {
      if (child.exitCode !== null) throw new Error(`${PROGRAM} ended with ${child.exitCode}`)
      this.#port = this.#portOf(child)
      if (this.#port !== undefined && (await answers(this.#port))) return
      if (tries > 500) throw new Error(`${PROGRAM} does not listen`)
      await sleep(20)
    }
  }

  /** The port that a process listens at, which it writes to a file once it is ready. */
  #portOf({ pid }: ChildProcess): number | undefined {
    try {
      const text = readFileSync(join(this.#directory, `${PROGRAM}_${pid}.ports`), 'utf8')
      const { nats } = JSON.parse(text) as { nats: string[] }
      return Number(new URL(nats[0] ?? '').port)
    } catch {
      return this.#port // the file is not there yet, or not written to its end
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child?.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connectTcp(port, '127.0.0.1')
  try {
    await once(socket, 'data') // INFO
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
