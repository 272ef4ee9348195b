// The round trip over node:net: one write and one 'data' event each way, lines cut with a newline search.

import { connect, createServer, type Socket } from 'node:net'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, plainMessage, socketPath, type PlainMessage } from '../input/line.js'
import { Stopwatch } from './stopwatch.js'

function onMessage(socket: Socket, listener: (message: PlainMessage) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    const text = rest + chunk
    let begin = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
      listener(JSON.parse(text.slice(begin, end)) as PlainMessage)
      begin = end + 1
    }
    rest = text.slice(begin)
  })
}

function send(socket: Socket, message: PlainMessage): void {
  socket.write(JSON.stringify(message) + '\n')
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const server = createServer((socket) => {
    onMessage(socket, ({ payload }) => {
      send(socket, { ...plainMessage(0), payload })
    })
  })
  server.listen(socketPath(context.directory), context.ready)
  return undefined
}

export function producer(context: RoleContext): Promise<Figures> {
  const stopwatch = new Stopwatch(context)
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath(context.directory) })
    const next = (): void => {
      stopwatch.start()
      send(socket, plainMessage(stopwatch.current))
    }
    onMessage(socket, ({ payload }) => {
      if (numberOf(payload) !== stopwatch.current)
        reject(new Error(`answer ${numberOf(payload)} came out of turn`))
      const figures = stopwatch.stop()
      if (figures === undefined) next()
      else resolve(figures)
    })
    socket.on('error', reject)
    socket.on('connect', next)
  })
}
