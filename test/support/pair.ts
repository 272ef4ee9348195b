// Both ends of one connection in this process, and raw sockets that send what the API never would.

import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

import { dial, type DialOptions } from '../../lib/connection/dial.js'
import type { Connection } from '../../lib/connection/connection.js'
import type { ListenOptions } from '../../lib/connection/listen-options.js'
import { listen, type Listener } from '../../lib/connection/listener.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import type { ReceiverOptions } from '../../lib/endpoints/receiver-options.js'
import { temporaryDirectory } from './directory.js'

export interface Pair {
  readonly directory: string
  readonly listener: Listener
  readonly client: Connection
  readonly server: Connection
}

/** A listener that is closed when the test is over. */
export async function listening(directory: string, options: ListenOptions = {}): Promise<Listener> {
  const listener = await listen('test', { directory, ...options })
  onTestFinished(() => {
    listener.close()
  })
  return listener
}

/** A dialled and accepted connection; both ends are destroyed when the test is over. */
export async function connectedPair(
  listenOptions: ListenOptions = {},
  dialOptions: DialOptions = {},
): Promise<Pair> {
  const directory = temporaryDirectory()
  const listener = await listening(directory, listenOptions)
  const [client, server] = await Promise.all([dial('test', { directory, ...dialOptions }), listener.accept()])
  onTestFinished(() => {
    client.destroy()
    server.destroy()
  })
  return { directory, listener, client, server }
}

/** A plain `net.Socket` connected to a listener, and the accepted connection; both are destroyed when the test is over. */
export async function rawTo(listener: Listener): Promise<{ raw: Socket; server: Connection }> {
  const raw = connect(listener.address)
  raw.on('error', () => undefined) // the other end may hang up
  const server = await listener.accept()
  onTestFinished(() => {
    raw.destroy()
    server.destroy()
  })
  return { raw, server }
}

/** A plain `net.Socket` connected to a receiver: bytes written to it arrive unchanged. */
export async function rawToReceiver(
  options?: ReceiverOptions,
): Promise<{ raw: Socket; receiver: Receiver; server: Connection }> {
  const { raw, server } = await rawTo(await listening(temporaryDirectory()))
  return { raw, receiver: new Receiver(server, 'receiver', options), server }
}
