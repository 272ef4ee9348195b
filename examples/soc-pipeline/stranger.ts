// A process of another user that tries to slip an event into the first pipe. It uses plain sockets, as an intruder would, and
// reports what became of it as one line of JSON.

import { connect } from 'node:net'

/** What the stranger saw. */
export interface Attempt {
  readonly connected: boolean
  readonly uid: number
  /** What ended the connection: `closed by the other end`, or the code of an error. */
  readonly end: string
}

const FORGED = '{"type":"soc_event","id":"1","ts":1,"payload":{"forged":true}}\n'
const GIVE_UP_MS = 3000

const socket = connect(process.argv[2] ?? '')
let connected = false
let end = 'not closed: the other end reads'
socket.on('connect', () => {
  connected = true
  socket.write(FORGED)
})
socket.on('data', () => undefined)
socket.on('end', () => (end = 'closed by the other end'))
socket.on('error', (error) => (end = 'code' in error ? String(error.code) : error.message))
socket.on('close', () => {
  const attempt: Attempt = { connected, uid: process.getuid?.() ?? -1, end }
  process.stdout.write(`${JSON.stringify(attempt)}\n`)
})
setTimeout(() => socket.destroy(), GIVE_UP_MS).unref()
