// A proxy in front of a NATS server that knows where a message of the protocol begins and ends, so that a test can make
// single ones disappear, as an overloaded or restarting server does.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A message of the protocol that carries data. */
export interface Frame {
  /** PUB, HPUB, MSG or HMSG. */
  readonly operation: string
  readonly subject: string
  /** Headers and data. */
  readonly body: Buffer
}

/** Returns whether a frame goes on. */
type Gate = (frame: Frame) => boolean

export class NatsProxy {
  /** Judges what clients publish. */
  onPublish: Gate = () => true
  /** Judges what the server delivers to clients, acknowledgements included. */
  onDelivery: Gate = () => true
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      const upstream = connect(targetPort, '127.0.0.1')
      pass(client, upstream, (frame) => this.onPublish(frame))
      pass(upstream, client, (frame) => this.onDelivery(frame))
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => {
          this.#sockets.delete(socket)
          client.destroy()
          upstream.destroy()
        })
      }
    })
  }

  static async start(targetPort: number): Promise<NatsProxy> {
    const proxy = new NatsProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends all connections. Clients can connect again. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}

function pass(from: Socket, to: Socket, gate: Gate): void {
  let rest: Buffer = Buffer.alloc(0)
  from.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes])
    for (;;) {
      const head = rest.indexOf('\r\n')
      if (head < 0) return
      const words = rest.toString('latin1', 0, head).split(/\s+/)
      const [operation = '', subject = ''] = words
      const carries = /^H?(PUB|MSG)$/i.test(operation)
      const begin = head + 2
      const end = carries ? begin + Number(words.at(-1)) + 2 : begin
      if (rest.length < end) return
      const frame = { operation: operation.toUpperCase(), subject, body: rest.subarray(begin, end - 2) }
      if (!carries || gate(frame)) to.write(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  })
}
