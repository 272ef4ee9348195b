// Accepting connections as fast as they come: counted when they can be used, then closed at once. A C++ program connects
// again and again, faster than either side of Node.js could.

import { createServer } from 'node:net'

import { listen } from 'sentinel-ipc'

import { Meter } from '../harness/meter.js'
import { processorTimeNs } from '../harness/processor-time.js'
import { runProgram } from '../harness/program.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { PIPE_NAME, socketPath } from '../input/line.js'

export function netConsumer(context: RoleContext): Promise<Figures> {
  const count = new Count(context)
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.destroy()
      const figures = count.add()
      if (figures !== undefined) resolve(figures)
    })
    server.on('error', reject)
    server.listen({ path: socketPath(context.directory), backlog: 511 }, context.ready)
  })
}

export async function oursConsumer(context: RoleContext): Promise<Figures> {
  const count = new Count(context)
  const listener = await listen(PIPE_NAME, { directory: context.directory })
  context.ready()
  for (;;) {
    const connection = await listener.accept()
    connection.destroy()
    const figures = count.add()
    if (figures !== undefined) return figures
  }
}

export function clients(context: RoleContext): Promise<Figures> {
  return runProgram(context, 'native', ['connect', socketPath(context.directory)])
}

class Count {
  readonly #meter: Meter
  #cpuNs: number | undefined
  #measured = 0

  constructor(context: RoleContext) {
    this.#meter = new Meter(context.number('warmUpMs'), context.number('measureMs'))
  }

  add(): Figures | undefined {
    const over = this.#meter.add(1)
    if (this.#meter.warmingUp) return undefined
    this.#cpuNs ??= processorTimeNs(process.pid)
    ++this.#measured
    if (!over) return undefined
    return {
      connectionsPerSecond: this.#meter.rate,
      cpuUs: (processorTimeNs(process.pid) - this.#cpuNs) / this.#measured / 1000,
    }
  }
}
