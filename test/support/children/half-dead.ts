// Listens as an acknowledging receiver, replies to the first statement, and ends while a child keeps the connection open: a
// peer that never speaks again and whose socket does not close.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

const { path } = JSON.parse(process.argv[2] ?? '{}') as { path: string }
createServer((socket) => {
  socket.once('data', (line) => {
    const { payload } = JSON.parse(line.toString().split('\n')[0] ?? '') as {
      payload: { session: string; next: number }
    }
    const takes = { version: 2, max_bytes: 1_000_000, max_depth: 256, heartbeat_ms: 10 }
    const acknowledgement = { session: payload.session, through: payload.next - 1, takes }
    const answer = { type: 'soc_ack', id: 'sentinel-delivery', ts: 0, payload: acknowledgement }
    socket.write(`${JSON.stringify(answer)}\n`, () => {
      const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
      const holder = spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', fd], detached: true })
      process.send?.({ holder: holder.pid }, () => process.exit())
    })
  })
}).listen(path, () => process.send?.({ ready: true }))
