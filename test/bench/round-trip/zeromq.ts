// The round trip over zeromq.js: request and reply over ipc://, as its README has it. The load is pushed and pulled.

import type { Figures, RoleContext } from '../harness/scenario.js'
import { numberOf, plainMessage, type PlainMessage } from '../input/line.js'
import { newZeromqSocket, zeromqEndpoint } from '../input/zeromq.js'
import { isLoaded, LOAD_NAME, startLoad } from './load.js'
import { Stopwatch } from './stopwatch.js'

function parse(message: Buffer | undefined): PlainMessage {
  return JSON.parse(String(message)) as PlainMessage
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const socket = newZeromqSocket('Reply')
  await socket.bind(zeromqEndpoint(context.directory))
  if (isLoaded(context)) {
    const loads = newZeromqSocket('Pull')
    await loads.bind(zeromqEndpoint(context.directory, LOAD_NAME))
    void (async () => {
      for await (const [message] of loads) numberOf(parse(message).payload)
    })()
  }
  context.ready()
  for await (const [message] of socket)
    await socket.send(JSON.stringify(plainMessage(0, parse(message).payload)))
  return undefined
}

export async function producer(context: RoleContext): Promise<Figures> {
  if (isLoaded(context)) {
    const load = newZeromqSocket('Push')
    load.connect(zeromqEndpoint(context.directory, LOAD_NAME))
    let sending = Promise.resolve()
    startLoad(context, (first, count) => {
      sending = sending.then(async () => {
        for (let i = first; i < first + count; ++i) await load.send(JSON.stringify(plainMessage(i)))
      })
    })
  }
  const socket = newZeromqSocket('Request')
  socket.connect(zeromqEndpoint(context.directory))
  const stopwatch = new Stopwatch(context)
  for (;;) {
    stopwatch.start()
    await socket.send(JSON.stringify(plainMessage(stopwatch.current)))
    const [message] = await socket.receive()
    const number = numberOf(parse(message).payload)
    if (number !== stopwatch.current) throw new Error(`answer ${number} came out of turn`)
    const figures = stopwatch.stop()
    if (figures !== undefined) return figures
  }
}
