// The relay over node:net without a library: finds the lines itself, parses each to be sure that it is JSON, and writes
// those of one read together.

import { createServer, type Socket } from 'node:net'

import type { RoleContext } from '../harness/scenario.js'
import { socketPath } from '../input/line.js'

/** Listens, and takes two connections: the first one to read from, the second one to write to. */
export function acceptBoth(context: RoleContext): Promise<{ from: Socket; to: Socket }> {
  return new Promise((resolve, reject) => {
    let from: Socket | undefined
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      if (from === undefined) from = socket
      else resolve({ from, to: socket })
    })
    server.on('error', reject)
    server.listen(socketPath(context.directory), context.ready)
  })
}

export async function consumer(context: RoleContext): Promise<undefined> {
  const { from, to } = await acceptBoth(context)
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
