// Idle connections with sentinel-ipc, each waiting for a message as a server does.

import { listen, Receiver } from 'sentinel-ipc'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { PIPE_NAME } from '../input/line.js'
import { Census } from './census.js'

export async function consumer(context: RoleContext): Promise<Figures> {
  const census = new Census(context)
  const maxConnections = context.number('warmUp') + context.number('connections')
  const listener = await listen(PIPE_NAME, { directory: context.directory, maxConnections })
  context.ready()
  void acceptAll()
  return census.figures

  async function acceptAll(): Promise<void> {
    const open: Receiver[] = []
    for await (const connection of listener) {
      const receiver = new Receiver(connection, 'idle')
      void receiver.next()
      open.push(receiver)
      census.count()
    }
  }
}
