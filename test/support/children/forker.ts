// Connects, hands its socket to a child of its own, and ends: the connection outlives the process that made it.

import { spawn } from 'node:child_process'
import { connect } from 'node:net'

const { address } = JSON.parse(process.argv[2] ?? '{}') as { address: string }
const socket = connect(address, () => {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  const holder = spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', fd], detached: true })
  process.send?.({ holder: holder.pid })
})
process.on('message', () => process.exit(0))
