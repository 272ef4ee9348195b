// What the benchmarks use of @achrinza/node-ipc (https://github.com/achrinza/node-ipc), as its README shows it, and with
// the log switched off, as it advises for speed.

import type { Socket } from 'node:net'

import { requirePeer } from '../harness/project.js'
import type { Need } from '../harness/scenario.js'
import { socketPath } from './line.js'

interface Server {
  on(event: string, listener: (data: unknown, socket: Socket) => void): void
  emit(socket: Socket, event: string, data: unknown): void
  start(): void
}

interface Client {
  readonly socket: Socket
  on(event: string, listener: (data: unknown) => void): void
  emit(event: string, data: unknown): void
}

interface NodeIpc {
  readonly config: { silent: boolean }
  readonly server: Server
  readonly of: Readonly<Record<string, Client>>
  serve(path: string, onStart: () => void): void
  connectTo(id: string, path: string, onMade: () => void): void
}

export const NODE_IPC: readonly Need[] = [{ kind: 'package', name: '@achrinza/node-ipc' }]
export const EVENT = 'message'

function load(): NodeIpc {
  const { default: ipc } = requirePeer('@achrinza/node-ipc') as { readonly default: NodeIpc }
  ipc.config.silent = true
  return ipc
}

export function serveNodeIpc(
  directory: string,
  onStart: () => void,
  listener: (data: unknown, reply: (data: unknown) => void) => void,
): void {
  const ipc = load()
  ipc.serve(socketPath(directory), () => {
    ipc.server.on(EVENT, (data, socket) => {
      listener(data, (answer) => {
        ipc.server.emit(socket, EVENT, answer)
      })
    })
    onStart()
  })
  ipc.server.start()
}

export function connectNodeIpc(directory: string): Promise<Client> {
  const ipc = load()
  return new Promise((resolve, reject) => {
    ipc.connectTo('bench', socketPath(directory), () => {
      const client = ipc.of['bench']
      if (client === undefined) {
        reject(new Error('node-ipc made no client'))
        return
      }
      client.on('connect', () => {
        resolve(client)
      })
    })
  })
}
