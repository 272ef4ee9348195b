// A NATS server with JetStream for tests: on a free loopback port, with a store that goes away with the test. Knows when the
// program is not installed.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect as connectTcp, type AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
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

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export class NatsServer {
  readonly port: number
  readonly #arguments: string[]
  #process: ChildProcess | undefined

  private constructor(port: number, args: string[]) {
    this.port = port
    this.#arguments = args
  }

  /** Starts a server whose store is in `directory`. `config` is added to its configuration. */
  static async start(directory: string, config = '', host = '127.0.0.1'): Promise<NatsServer> {
    const port = await freePort()
    const file = join(directory, 'nats.conf')
    const store = JSON.stringify(join(directory, 'store'))
    writeFileSync(file, `listen: "${host}:${port}"\njetstream { store_dir: ${store} }\n${config}\n`)
    const server = new NatsServer(port, ['-c', file])
    await server.resume()
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  /** Starts it again. */
  async resume(): Promise<void> {
    const child = spawn(PROGRAM, this.#arguments, { stdio: 'ignore' })
    this.#process = child
    for (let tries = 0; ; ++tries) {
      if (child.exitCode !== null) throw new Error(`${PROGRAM} ended with ${child.exitCode}`)
      if (await answers(this.port)) return
      if (tries > 500) throw new Error(`${PROGRAM} does not listen at port ${this.port}`)
      await sleep(20)
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
