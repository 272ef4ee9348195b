// Spools messages while no receiver listens and then ends as requested, or sends what an earlier run spooled.

import { AcknowledgedSender, newSOCMessage, Spool } from 'sentinel-ipc'
import { join } from 'node:path'

const { directory, how } = JSON.parse(process.argv[2] ?? '{}') as { directory: string; how: string }
const spool = await Spool.open({ directory: join(directory, 'spool') })
const sender = new AcknowledgedSender('test', { directory, spool, maxBackoffMs: 20, heartbeatMs: 30 })
if (how === 'continue') {
  await sender.close({ timeoutMs: 10_000 })
  process.send?.({ stats: sender.stats })
  process.disconnect()
} else {
  for (let i = 0; i < 500; i += 50) {
    const results = Array.from({ length: 50 }, (_, j) => sender.send(newSOCMessage('soc_event', i + j)))
    for (const { status } of await Promise.all(results)) if (status !== 'spooled') throw new Error(status)
  }
  process.send?.({ spooled: sender.pending }, () => {
    if (how === 'process.exit') process.exit()
  })
}
