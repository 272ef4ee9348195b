// Chaos run, a local sender: numbers its messages by its spool, so that after a kill it goes on with the first one that was
// never taken.

import { AcknowledgedSender, newSOCMessage, rawJSON, Spool } from 'sentinel-ipc'
import { setTimeout as sleep } from 'node:timers/promises'

import type { SenderArguments } from './parts.js'

const { directory, id, messages, spool: at, pauseMs } = JSON.parse(process.argv[2] ?? '{}') as SenderArguments
const spool = await Spool.open({ directory: at })
let next = spool.next
const sender = new AcknowledgedSender('chaos-out', { directory, spool, maxBackoffMs: 100 })
const types = ['soc_event', 'soc_event', 'soc_event', 'soc_incident', 'audit']
while (next <= messages) {
  const count = Math.min(messages - next + 1, 1 + ((next * 7) % 60))
  const batch = Array.from({ length: count }, (_, i) => {
    const number = next + i
    const type = types[Math.floor(number / 40) % types.length] as string
    return newSOCMessage(type, rawJSON(`{"n":${number}}`), { id: `${id}:${number}` })
  })
  const { status } = await sender.sendBatch(batch)
  if (status !== 'spooled') throw new Error(`a batch was ${status}`)
  next += count
  if (pauseMs > 0) await sleep(pauseMs)
}
await sender.flush()
await sender.close()
process.send?.({ done: id })
if (process.connected) process.disconnect()
