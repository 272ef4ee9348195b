// The three nodes as processes: starts them, kills one, and queries their facts. Must not know how any of it is shown.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import type { NodeCommand, NodeConfig, NodeReport, NodeState } from './protocol.js'

const SCRIPT = fileURLToPath(new URL('./node.js', import.meta.url))
const ANSWER_MS = 10_000

export class Swarm {
  readonly #directory: string
  readonly #onNotice: (name: string, text: string) => void
  readonly #nodes = new Map<string, ChildProcess>()

  constructor(directory: string, onNotice: (name: string, text: string) => void) {
    this.#directory = directory
    this.#onNotice = onNotice
  }

  get names(): string[] {
    return [...this.#nodes.keys()]
  }

  /** Starts a node and returns its process id. */
  start(name: string, facts: number): number {
    const config: NodeConfig = { directory: this.#directory, name, facts }
    const child = fork(SCRIPT, [JSON.stringify(config)])
    child.on('message', (message: NodeReport) => {
      if (message.report === 'notice') this.#onNotice(name, message.text)
    })
    child.on('error', (error) => {
      this.#onNotice(name, `cannot be started: ${error.message}`)
    })
    this.#nodes.set(name, child)
    return child.pid ?? -1
  }

  /** Returns what a node holds; undefined if it does not respond. */
  async state(name: string): Promise<NodeState | undefined> {
    const child = this.#nodes.get(name)
    if (child?.connected !== true) return undefined
    const gone = new AbortController()
    const timer = setTimeout(() => {
      gone.abort()
    }, ANSWER_MS)
    const onExit = (): void => {
      gone.abort()
    }
    child.once('exit', onExit)
    try {
      this.#tell(child, 'state')
      for (;;) {
        const [message] = (await once(child, 'message', { signal: gone.signal })) as [NodeReport]
        if (message.report === 'state') return message.state
      }
    } catch {
      return undefined
    } finally {
      clearTimeout(timer)
      child.off('exit', onExit)
    }
  }

  async states(): Promise<Map<string, NodeState | undefined>> {
    const states = await Promise.all(this.names.map(async (name) => [name, await this.state(name)] as const))
    return new Map(states)
  }

  /** Kills a node without a warning. */
  async kill(name: string): Promise<void> {
    const child = this.#nodes.get(name)
    if (child === undefined || hasEnded(child)) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** Tells all nodes to note nothing new. */
  settle(): void {
    for (const child of this.#nodes.values()) this.#tell(child, 'settle')
  }

  /** Ends all nodes, and kills the ones that do not end in time. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#nodes.values()].map(async (child) => {
        if (hasEnded(child)) return
        const exited = once(child, 'exit')
        this.#tell(child, 'stop')
        const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS)
        await exited
        clearTimeout(timer)
      }),
    )
  }

  #tell(child: ChildProcess, command: NodeCommand): void {
    // The node may end while the command is on its way.
    if (child.connected) child.send(command, () => undefined)
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
