// Chaos run: senders, a way out, a NATS server, a way in and a receiver, each a process; any of them is killed and started again
// at random moments, and connections are cut. Then every message must be there once, and those of a sender in order.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { NatsServer } from '../nats-server.js'
import type { InArguments, OutArguments, OutputEntry, ReceiverArguments, SenderArguments } from './parts.js'
import { CuttableProxy } from './proxy.js'

export interface ChaosOptions {
  readonly seed: number
  readonly senders: number
  readonly messagesEach: number
  /** The way out has a spool. */
  readonly spooled: boolean
  /** Mean milliseconds between two blows. */
  readonly everyMs: number
  /** Milliseconds that a sender pauses between batches of at most 60 messages. */
  readonly pauseMs: number
  readonly timeoutMs: number
  readonly log?: (line: string) => void
}

export interface ChaosResult {
  readonly messages: number
  readonly blows: Readonly<Record<string, number>>
  /** What is wrong; empty if all is well. */
  readonly faults: readonly string[]
  readonly seconds: number
}

/** Where the compiled parts are: beside this file, or for a test that runs from the sources in out/. */
const COMPILED = import.meta.url.includes('/out/test/')
  ? new URL('./', import.meta.url)
  : new URL('../../../out/test/bridge/chaos/', import.meta.url)

/** A process that is started again whenever it was killed. */
class Part {
  readonly #script: string
  readonly #argument: object
  #process: ChildProcess | undefined
  /** It has ended by itself, as told. */
  done = false

  constructor(name: string, argument: object) {
    this.#script = fileURLToPath(new URL(`${name}.js`, COMPILED))
    if (!existsSync(this.#script))
      throw new Error(`${this.#script} is not there: run 'npm run compile' first`)
    this.#argument = argument
  }

  start(): void {
    const child = fork(this.#script, [JSON.stringify(this.#argument)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process = child
    child.on('message', (message) => {
      if ('done' in (message as object)) this.done = true
    })
    child.on('error', () => undefined)
  }

  /** Its process has ended without having been told to. */
  get failed(): boolean {
    return !this.done && this.#process !== undefined && this.#process.exitCode !== null
  }

  async kill(): Promise<void> {
    const child = this.#process
    if (child?.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async blow(): Promise<void> {
    if (this.done) return
    await this.kill()
    if (!this.done) this.start()
  }
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const directory = mkdtempSync(join(tmpdir(), 'sipc-chaos-'))
  const began = performance.now()
  const parts: Part[] = []
  let server: NatsServer | undefined
  let proxy: CuttableProxy | undefined
  try {
    server = await NatsServer.start(directory)
    proxy = await CuttableProxy.start(server.port)
    return await strike(options, directory, server, proxy, parts, began)
  } finally {
    await Promise.all(parts.map((part) => part.kill()))
    proxy?.close()
    await server?.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function strike(
  options: ChaosOptions,
  directory: string,
  server: NatsServer,
  proxy: CuttableProxy,
  parts: Part[],
  began: number,
): Promise<ChaosResult> {
  const { seed, senders: count, messagesEach, spooled, everyMs, pauseMs, timeoutMs, log } = options
  const random = seeded(seed)
  const output = join(directory, 'output')
  const receiver = new Part('receiver', { directory, output } satisfies ReceiverArguments)
  const out = new Part('out', {
    directory,
    servers: proxy.url,
    batch: 1 + Math.floor(random() * 100),
    inFlight: 1 + Math.floor(random() * 16),
    ...(spooled && { spool: join(directory, 'spool-out') }),
  } satisfies OutArguments)
  const inward = new Part('in', { directory, servers: proxy.url } satisfies InArguments)
  const senders = Array.from(
    { length: count },
    (_, id) =>
      new Part('sender', {
        directory,
        id,
        messages: messagesEach,
        spool: join(directory, `spool-${id}`),
        pauseMs,
      } satisfies SenderArguments),
  )
  parts.push(receiver, out, inward, ...senders)
  for (const part of parts) part.start()

  const blows: Record<string, number> = {}
  const kinds: Readonly<Record<string, () => Promise<void>>> = {
    server: async () => {
      await server.kill()
      await sleep(random() * 200)
      await server.resume()
    },
    out: () => out.blow(),
    in: () => inward.blow(),
    receiver: () => receiver.blow(),
    sender: async () => senders[Math.floor(random() * count)]?.blow(),
    cut: async () => {
      proxy.cut()
    },
  }
  const names = Object.keys(kinds)
  const deadline = began + timeoutMs
  const faults: string[] = []
  while (!senders.every(({ done }) => done)) {
    await sleep(everyMs * (0.3 + random() * 1.4))
    const name = names[Math.floor(random() * names.length)] as string
    blows[name] = (blows[name] ?? 0) + 1
    log?.(`${Math.round(performance.now() - began)} ms: ${name}`)
    await kinds[name]?.()
    for (const part of parts) if (part.failed) part.start()
    if (performance.now() > deadline) {
      faults.push('the senders did not finish in time')
      break
    }
  }
  await settle(output, count * messagesEach, deadline)
  faults.push(...faultsOf(output, count, messagesEach))
  return { messages: count * messagesEach, blows, faults, seconds: (performance.now() - began) / 1000 }
}

/** Waits until nothing more comes. */
async function settle(output: string, messages: number, deadline: number): Promise<void> {
  while (idsOf(output).length < messages && performance.now() < deadline) await sleep(100)
  await sleep(500) // what comes twice may come late
}

/** The ids that the receiver wrote, in its order. */
export function idsOf(output: string): string[] {
  if (!existsSync(output)) return []
  const text = readFileSync(output, 'utf8')
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => (JSON.parse(line) as OutputEntry).ids)
}

/** What is lost, doubled or out of order, of senders with `each` messages; at most 20 lines. */
export function faultsOf(output: string, senders: number, each: number): string[] {
  const faults: string[] = []
  const next = Array.from({ length: senders }, () => 1)
  for (const id of idsOf(output)) {
    const [sender = 0, number = 0] = id.split(':').map(Number)
    const expected = next[sender] ?? 0
    if (number < expected) faults.push(`${id} came again, or after ${sender}:${expected - 1}`)
    else if (number > expected) faults.push(`${sender}:${expected} is missing before ${id}`)
    next[sender] = Math.max(expected, number + 1)
  }
  next.forEach((number, sender) => {
    if (number !== each + 1) faults.push(`of sender ${sender}, ${number - 1} of ${each} messages came`)
  })
  return faults.slice(0, 20)
}
