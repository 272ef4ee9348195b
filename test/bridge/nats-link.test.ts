// A NATS server that is too busy to check credentials closes the connection with `Authentication Timeout`. The bridge tries
// again: the credentials may be right.

import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'

import { NatsLink } from '../../lib/bridge/nats-link.js'
import { checkNatsOptions } from '../../lib/bridge/nats-options.js'
import { rejectionOf, until } from '../support/wait.js'

interface FakeServer {
  readonly link: NatsLink
  readonly signal: AbortSignal
  /** Connections made to it. */
  readonly sockets: Socket[]
  /** What it says to the next connections instead of letting them in. */
  readonly refusals: string[]
}

/** A server that knows how a connection to NATS begins, and a link to it. */
async function fakeServer(...refusals: string[]): Promise<FakeServer> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write(
      `INFO ${JSON.stringify({ server_id: 'A', version: '2.10.0', proto: 1, headers: true, max_payload: 1 << 20 })}\r\n`,
    )
    socket.on('data', (bytes) => {
      const refusal = bytes.includes('CONNECT') ? refusals.shift() : undefined
      if (refusal !== undefined) socket.end(`-ERR '${refusal}'\r\n`)
      else if (bytes.includes('PING')) socket.write('PONG\r\n')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const connection = { reconnectTimeWait: 10, reconnectJitter: 0 }
  const link = new NatsLink(checkNatsOptions('test', { servers: `127.0.0.1:${port}`, connection }))
  const controller = new AbortController()
  onTestFinished(async () => {
    controller.abort()
    await link.close()
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { link, signal: controller.signal, sockets, refusals }
}

it('tries again when the server has no time to let it in', async () => {
  const { link, signal } = await fakeServer('Authentication Timeout', 'Authentication Timeout')
  const errors: string[] = []
  await link.ready(signal, ({ message }) => errors.push(message))
  expect(errors).toEqual(['Authentication Timeout', 'Authentication Timeout'])
})

it('tries again when a server that was lost has no time to let it in, however often', async () => {
  const { link, signal, sockets, refusals } = await fakeServer()
  await link.ready(signal)
  for (let round = 0; round < 2; ++round) {
    refusals.push('Authentication Timeout', 'Authentication Timeout', 'Authentication Timeout')
    sockets.at(-1)?.destroy()
    await until(() => !link.isUp)
    await link.ready(signal)
    expect(refusals).toEqual([])
  }
})

it('gives up when the server refuses its credentials, at first and later', async () => {
  const first = await fakeServer('Authorization Violation')
  expect(await rejectionOf(first.link.ready(first.signal))).toMatchObject({ code: 'ERR_IPC_SYSTEM' })
  const later = await fakeServer()
  await later.link.ready(later.signal)
  later.refusals.push('Authorization Violation', 'Authorization Violation')
  later.sockets[0]?.destroy()
  await until(() => !later.link.isUp)
  expect(await rejectionOf(later.link.ready(later.signal))).toMatchObject({ code: 'ERR_IPC_SYSTEM' })
})
