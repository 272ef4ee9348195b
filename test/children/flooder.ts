// Connects as fast as it can, as a user that nobody lets in, until it is told to stop or ten seconds have passed.

import { connect } from 'node:net'

const { address, uid } = JSON.parse(process.argv[2] ?? '{}') as { address: string; uid: number }
process.setgroups?.([])
process.setgid?.(uid)
process.setuid?.(uid)

const end = Date.now() + 10_000
let attempts = 0
let open = 0
function flood(): void {
  if (Date.now() > end) process.exit(0)
  for (; open < 64; ++open) {
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
