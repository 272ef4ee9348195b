// Serves the socket that it was started with as descriptor 3, until its standard input ends.

import { listen } from 'sentinel-ipc'

const listener = await listen('activated', { fd: 3 })
console.log(`listening ${listener.address}`)
process.stdin.resume().once('end', () => {
  listener.close()
  console.log('closed')
})
for await (const connection of listener) {
  console.log('accepted')
  connection.destroy()
}
