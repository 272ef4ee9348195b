// Connects as fast as it can as another user and keeps the connections, until it is stopped or 55 seconds have passed.

import { connect } from 'node:net'

const { address, uid, atOnce } = JSON.parse(process.argv[2] ?? '{}') as {
  address: string
  uid: number
  atOnce: number
}
process.setgroups?.([])
process.setgid?.(uid)
process.setuid?.(uid)

const end = Date.now() + 55_000
let attempts = 0
let open = 0
function flood(): void {
  if (Date.now() > end) process.exit(0)
  for (; open < atOnce; ++open) {
    ++attempts
    const socket = connect(address)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      --open
    })
    socket.resume()
  }
  setImmediate(flood)
}
flood()
process.send?.({ flooding: true })
process.on('message', () => {
  process.send?.({ attempts }, () => process.exit(0))
})
