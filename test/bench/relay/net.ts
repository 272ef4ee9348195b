// The relay over node:net without a library: finds the lines itself, parses each to be sure that it is JSON, and writes
// those of one read together.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

import type { RoleContext } from '../harness/scenario.js'
import { socketPath } from '../input/line.js'
import { OUTLET_NAME } from './feeder.js'

/** Listens, takes the one connection that comes, and connects to where it leads. */
export async function connectRelay(context: RoleContext): Promise<{ from: Socket; to: Socket }> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(socketPath(context.directory))
  await once(server, 'listening')
  context.ready()
  const [from] = (await once(server, 'connection')) as [Socket]
  const to = connect({ path: socketPath(context.directory, OUTLET_NAME) })
  await once(to, 'connect')
  return { from, to }
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const { from, to } = await connectRelay(context)
  let rest = ''
  from.setEncoding('utf8')
  from.on('data', (chunk: string) => {
    const text = rest + chunk
    let begin = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', begin)) {
      JSON.parse(text.slice(begin, end))
      begin = end + 1
    }
    rest = text.slice(begin)
    if (begin > 0 && !to.write(text.slice(0, begin))) from.pause()
  })
  to.on('drain', () => from.resume())
  from.resume()
  return undefined
}
