// Endpoints for tests: two that are connected, and one whose peer is a plain socket.

import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import type { EndpointOptions } from '../../lib/services/endpoint-options.js'
import { Endpoint } from '../../lib/services/endpoint.js'
import { temporaryDirectory } from './directory.js'
import { connectedPair } from './pair.js'
import { servePlainly } from './plain-server.js'
import { socketIn } from './platform.js'
import { until } from './wait.js'

/** Two endpoints of one connection. */
export async function endpoints(
  client: EndpointOptions = {},
  server: EndpointOptions = {},
): Promise<{ asker: Endpoint; replier: Endpoint }> {
  const pair = await connectedPair()
  return {
    asker: new Endpoint(pair.client, 'asker', client),
    replier: new Endpoint(pair.server, 'replier', server),
  }
}

/** An endpoint whose peer sends what the test wants; `lines` is what it has received. */
export async function rawEndpoint(
  options: EndpointOptions = {},
): Promise<{ endpoint: Endpoint; socket: Socket; lines: string[] }> {
  const directory = temporaryDirectory()
  const lines: string[] = []
  let socket: Socket | undefined
  await servePlainly(socketIn(directory), (accepted) => {
    socket = accepted
    let rest = ''
    accepted.on('data', (bytes) => {
      const parts = (rest + bytes.toString()).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
  })
  const connection = await dial('test', { directory })
  onTestFinished(() => {
    connection.destroy()
  })
  await until(() => socket !== undefined)
  return { endpoint: new Endpoint(connection, 'endpoint', options), socket: socket as Socket, lines }
}

/** The payload of a line. */
export function payloadOf(line: string | undefined): Record<string, unknown> {
  return (JSON.parse(line ?? '{}') as { payload: Record<string, unknown> }).payload
}
