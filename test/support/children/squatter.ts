// Listens with plain sockets on many paths until it is killed, and so leaves dead socket files behind.

import { createServer } from 'node:net'
import { join } from 'node:path'

const { directory, names } = JSON.parse(process.argv[2] ?? '{}') as { directory: string; names: string[] }
await Promise.all(
  names.map(
    (name) => new Promise<void>((resolve) => createServer().listen(join(directory, `${name}.sock`), resolve)),
  ),
)
process.send?.({ ready: true })
