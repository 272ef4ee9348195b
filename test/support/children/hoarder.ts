// Makes a listener hold as much as it can, as the user given: lines that never end, messages that the application does
// not take, connections that leave messages behind, a long message each that the application has in hand, or invalid
// lines. Reports when all of it was offered.

import { connect, type Socket } from 'node:net'

const { address, uid, kind, connections, bytes } = JSON.parse(process.argv[2] ?? '{}') as {
  address: string
  uid?: number
  kind: 'lines' | 'messages' | 'leaving' | 'working' | 'invalid'
  connections: number
  bytes: number
}
if (uid !== undefined) {
  process.setgroups?.([])
  process.setgid?.(uid)
  process.setuid?.(uid)
}

const message = '{"type":"m","payload":"'.padEnd(1000, 'x') + '"}\n'
const offers = {
  lines: '{"type":"'.padEnd(bytes, 'x'),
  messages: '{"type":"hold"}\n' + message.repeat(bytes / message.length),
  leaving: '{"type":"hold"}\n' + message.repeat(bytes / message.length),
  working: `${'{"type":"work","payload":"'.padEnd(bytes, 'x')}"}\n`,
  invalid: 'x\n'.repeat(bytes / 2),
}

function offer(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(address)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      resolve(socket)
    })
    socket.resume()
    socket.write(offers[kind], () => {
      if (kind === 'leaving') socket.end()
    })
    if (kind !== 'leaving') setTimeout(resolve, 1500, socket)
    else setTimeout(() => socket.destroy(), 1500)
  })
}

// A few at a time, so that none is refused for a full queue.
for (let i = 0; i < connections; i += 50) {
  const some = Array.from({ length: Math.min(50, connections - i) }, offer)
  if (kind === 'leaving') await Promise.all(some)
  else if (i + 50 >= connections) await Promise.all(some)
}
process.send?.({ offered: true })
process.on('message', () => process.exit(0))
