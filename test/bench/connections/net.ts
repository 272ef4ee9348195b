// Many connections over node:net, all of which send as fast as they may.

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { connectPatiently } from '../input/connect.js'
import { plainMessage, socketPath, type PlainMessage } from '../input/line.js'
import { Shares } from './shares.js'

export function consumer(context: RoleContext): Promise<Figures> {
  const shares = new Shares(context)
  let connections = 0
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      const connection = connections++
      let rest = ''
      socket.setEncoding('utf8')
      socket.on('data', (chunk: string) => {
        const text = rest + chunk
        let begin = 0
        let messages = 0
        for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
          if ((JSON.parse(text.slice(begin, end)) as PlainMessage).type !== 'soc_event')
            reject(new Error('something else came'))
          begin = end + 1
          ++messages
        }
        rest = text.slice(begin)
        const figures = shares.add(connection, messages)
        if (figures !== undefined) resolve(figures)
      })
    })
    server.on('error', reject)
    server.listen({ path: socketPath(context.directory), backlog: 511 }, context.ready)
  })
}

export async function producer(context: RoleContext): Promise<undefined> {
  const path = socketPath(context.directory)
  const sockets: Socket[] = []
  for (let i = 0; i < context.number('connections'); ++i) sockets.push(await connectPatiently(path))
  await Promise.all(sockets.map((socket) => send(socket, context.number('messagesPerBatch'))))
  return undefined
}

async function send(socket: Socket, linesPerWrite: number): Promise<never> {
  for (let i = 0; ;) {
    let lines = ''
    for (const end = i + linesPerWrite; i < end; ++i) lines += JSON.stringify(plainMessage(i)) + '\n'
    // Each in its turn, as with promises.
    if (socket.write(lines)) await Promise.resolve()
    else await once(socket, 'drain')
  }
}
