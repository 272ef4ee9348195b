// The sending process of the crash run. Message i has number i in the session, so after a kill the spool says where to go on.
// What the spool promised to keep is noted in a file, to be compared with its content.

import { AcknowledgedSender, newSOCMessage, rawJSON, SOCMsgType, Spool } from 'sentinel-ipc'
import { openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { imbalanceOf } from '../support/delivery-sums.js'
import { isRefused } from './options.js'

const { directory, batch, durability } = JSON.parse(process.argv[2] ?? '{}') as {
  directory: string
  batch: number
  durability: 'process' | 'fsync'
}
let upTo = 0
let total = Infinity

const promised = openSync(join(directory, 'promised'), 'a+')
const promise = Buffer.alloc(4)
function noteBefore(): number {
  let last = 0
  for (let at = 0; readSync(promised, promise, 0, 4, at) === 4; at += 4) last = promise.readUInt32LE(0)
  return last
}

const spool = await Spool.open({
  directory: join(directory, 'spool'),
  durability,
  onDamage: (damage) => process.send?.({ failed: `the spool is damaged: ${JSON.stringify(damage)}` }),
})
if (spool.next <= noteBefore()) {
  process.send?.({ failed: `the spool had promised to keep ${noteBefore()} and has ${spool.next - 1}` })
}
const sender = new AcknowledgedSender('crash', {
  directory,
  spool,
  minBackoffMs: 5,
  maxBackoffMs: 50,
  answerTimeoutMs: 5000,
  onDrop: ({ count, reason }) => process.send?.({ failed: `${count} messages were dropped: ${reason}` }),
  onEvent: (event) => {
    if ('error' in event && event.error?.code === 'ERR_IPC_INVALID_MESSAGE') {
      process.send?.({
        failed: `the protocol was broken: ${event.error.message} (${event.error.reason ?? ''})`,
      })
    }
  },
})
process.on('message', (limit: { upTo: number; total: number }) => {
  upTo = limit.upTo
  total = limit.total
})
process.send?.({ ready: true })

let next = spool.next
for (; next <= total;) {
  if (next > upTo) {
    await new Promise((resolve) => setTimeout(resolve, 2))
    continue
  }
  const messages = []
  for (const end = Math.min(upTo + 1, next + 1 + Math.floor(Math.random() * batch)); next < end; ++next) {
    // Until it has heard what the receiver takes, the sender cannot know that a line is too long for it.
    const pad = isRefused(next) && sender.stats.connections === 0 ? 'x'.repeat(2000) : ''
    messages.push(newSOCMessage(SOCMsgType.Event, rawJSON(`{"i":${next},"pad":"${pad}"}`)))
  }
  const last = next - 1
  void sender.sendBatch(messages).then(() => {
    promise.writeUInt32LE(last, 0)
    writeSync(promised, promise)
  })
  if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 1))
  else await new Promise(setImmediate)
}
await sender.flush()
const { stats } = sender
for (const wrong of imbalanceOf({ senders: [stats], receivers: [], settled: false })) {
  process.send?.({ failed: wrong })
}
await sender.close()
process.send?.({ done: stats })
process.disconnect()
