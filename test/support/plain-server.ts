// A server of plain sockets at an address of the library, to reply what the API never would. On Windows its pipes
// come from our addon: those of Node's own servers have no owner under Wine, and would be refused for that.

import { createServer, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

import { addon } from '../../lib/binding/addon.js'
import { resolvePolicy } from '../../lib/peer/policy.js'
import { windows } from './platform.js'

/** Serves until the test is over. */
export async function servePlainly(path: string, onSocket: (socket: Socket) => void): Promise<void> {
  const sockets: Socket[] = []
  const serve = (socket: Socket): void => {
    sockets.push(socket)
    socket.on('error', () => undefined) // the other end may hang up
    onSocket(socket)
  }
  const close = windows ? serveOnPipe(path, serve) : await serveOnFile(path, serve)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    close()
  })
}

async function serveOnFile(path: string, serve: (socket: Socket) => void): Promise<() => void> {
  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return () => {
    server.close()
  }
}

function serveOnPipe(path: string, serve: (socket: Socket) => void): () => void {
  const acceptor = new addon.Acceptor(
    {
      path,
      createDirectory: false,
      sharedDirectory: false,
      groupAccess: false,
      publicAccess: false,
      group: null,
    },
    resolvePolicy(undefined),
    {
      backlog: 8,
      maxConnections: 99,
      maxConnectionsPerUser: 99,
      maxNewPerSecondPerUser: 0,
      maxQueued: 99,
      throttleRefusals: true,
    },
  )
  const wakeUp = new Socket({ fd: acceptor.takeNotifyDescriptor(), readable: true })
  wakeUp.on('data', () => {
    for (const { descriptor } of acceptor.take(99)) {
      serve(new Socket({ fd: descriptor, readable: true, writable: true }))
    }
  })
  return () => {
    wakeUp.destroy()
    acceptor.stop()
  }
}
