// Idle connections with net.Server.

import { createServer, type Socket } from 'node:net'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { socketPath } from '../input/line.js'
import { Census } from './census.js'

export function consumer(context: RoleContext): Promise<Figures> {
  const census = new Census(context)
  const open: Socket[] = []
  const onData = (): void => undefined
  const server = createServer((socket) => {
    socket.on('data', onData)
    open.push(socket)
    census.count()
  })
  server.listen({ path: socketPath(context.directory), backlog: 511 }, context.ready)
  return census.figures
}
