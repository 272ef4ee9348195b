// The sending process of the crash run. Message i has number i in the session, so after a kill the spool says where to go on.
// Message i that the disk had no room for is not sent again, so that the numbers stay the same. What the application was told is
// noted, to be compared with what has arrived.

import { AcknowledgedSender, IpcError, newSOCMessage, rawJSON, SOCMsgType, Spool } from 'sentinel-ipc'

import { imbalanceOf } from '../support/delivery-sums.js'
import { stepClock } from './clock.js'
import { Notes } from './notes.js'
import { isRefused, randomFrom } from './options.js'

const { directory, spoolDirectory, batch, durability, fullDisk, seed } = JSON.parse(
  process.argv[2] ?? '{}',
) as {
  directory: string
  spoolDirectory: string
  batch: number
  durability: 'process' | 'fsync'
  fullDisk: boolean
  seed: number
}
const random = randomFrom(seed)
let upTo = 0
let total = Infinity
let givenUp = 0
let clockSteps = 0

const notes = new Notes(directory)
const spool = await Spool.open({
  directory: spoolDirectory,
  durability,
  // No step of the clock makes a message that old.
  maxAgeMs: 86_400_000,
  onDamage: (damage) => {
    if (damage.what !== 'tail') fail(`the spool is damaged: ${JSON.stringify(damage)}`)
  },
})
if (notes.begin(spool.next)) fail(`the spool had promised to keep message ${spool.next}, and ends before it`)
const sender = new AcknowledgedSender('crash', {
  directory,
  spool,
  minBackoffMs: 5,
  maxBackoffMs: 50,
  answerTimeoutMs: 5000,
  onDrop: ({ count, reason, error, messages }) => {
    if (!fullDisk || reason !== 'storage' || error.reason !== 'disk-full' || messages.length !== count) {
      fail(`${count} messages were dropped: ${reason}, ${error.message}`)
    }
    givenUp += count
    for (const message of messages) notes.givenUp((message.payload as { i: number }).i)
  },
  onEvent: (event) => {
    if (event.type === 'failed') fail(`the sender has failed: ${event.error.message}`)
    if (
      'error' in event &&
      event.error instanceof IpcError &&
      event.error.code === 'ERR_IPC_INVALID_MESSAGE'
    ) {
      fail(`the protocol was broken: ${event.error.message} (${event.error.reason ?? ''})`)
    }
  },
})
process.on('message', (limit: { upTo: number; total: number }) => {
  upTo = limit.upTo
  total = limit.total
})
process.send?.({ ready: true })
setInterval(() => process.send?.({ faults: { givenUp, clockSteps } }), 50).unref()

let next = spool.next
for (; next <= total;) {
  if (next > upTo) {
    await new Promise((resolve) => setTimeout(resolve, 2))
    continue
  }
  if (random() < 0.01) {
    ++clockSteps
    stepClock(random)
  }
  const first = next
  const messages = []
  for (const end = Math.min(upTo + 1, next + 1 + Math.floor(random() * batch)); next < end; ++next) {
    // Until it has heard what the receiver takes, the sender cannot know that a line is too long for it.
    const pad = isRefused(next) && sender.stats.connections === 0 ? 'x'.repeat(2000) : ''
    messages.push(newSOCMessage(SOCMsgType.Event, rawJSON(`{"i":${next},"pad":"${pad}"}`)))
  }
  const last = next - 1
  sender.sendBatch(messages).then(
    ({ status }) => {
      if (status !== 'spooled') fail(`messages ${first} to ${last} are ${status}, with a spool`)
      notes.spooled(first, last)
    },
    (error: unknown) => {
      // Which of them are gone, onDrop has said; about the others nothing is known.
      if (!(error instanceof IpcError) || error.reason !== 'disk-full') fail(String(error))
    },
  )
  if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 1))
  else await new Promise(setImmediate)
}
await sender.flush()
const { stats } = sender
if (stats.dropped !== givenUp) fail(`${stats.dropped} messages were dropped, and onDrop told of ${givenUp}`)
for (const wrong of imbalanceOf({ senders: [stats], receivers: [], settled: false })) fail(wrong)
await sender.close()
process.send?.({ faults: { givenUp, clockSteps } })
process.send?.({ done: stats })
process.disconnect()

function fail(what: string): void {
  process.send?.({ failed: `the sender: ${what}` })
}
