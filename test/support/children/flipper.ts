// Puts a socket and a symbolic link to another socket at one path, in turn, as fast as it can, for some seconds.

import { linkSync, renameSync } from 'node:fs'

const { path, socket, link, milliseconds } = JSON.parse(process.argv[2] ?? '{}') as {
  path: string
  socket: string
  link: string
  milliseconds: number
}
process.send?.('ready')
const end = Date.now() + milliseconds
while (Date.now() < end) {
  for (const file of [link, socket]) {
    linkSync(file, `${path}.next`)
    renameSync(`${path}.next`, path)
  }
}
process.send?.('done')
process.disconnect()
