// The round trip over node:net: one write and one 'data' event each way, lines cut with a newline search.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, plainMessage, socketPath, type PlainMessage } from '../input/line.js'
import { isLoaded, LOAD_NAME, startLoad } from './load.js'
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
      send(socket, plainMessage(0, payload))
    })
  })
  const loads = createServer((socket) => {
    onMessage(socket, ({ payload }) => numberOf(payload))
  })
  loads.listen(socketPath(context.directory, LOAD_NAME), () => {
    server.listen(socketPath(context.directory), context.ready)
  })
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  if (isLoaded(context)) {
    const load = connect({ path: socketPath(context.directory, LOAD_NAME) })
    await once(load, 'connect')
    startLoad(context, (first, count) => {
      load.write(
        Array.from({ length: count }, (_, i) => JSON.stringify(plainMessage(first + i)) + '\n').join(''),
      )
    })
  }
  const socket = connect({ path: socketPath(context.directory) })
  await once(socket, 'connect')
  const stopwatch = new Stopwatch(context)
  return new Promise((resolve, reject) => {
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
    next()
  })
}
