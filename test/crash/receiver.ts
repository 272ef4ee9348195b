// The receiving process of the crash run. Its application appends each message that it finishes to a file, with the number that
// it has in the session, and tells the ledger so when it comes back. By turns it takes runs, loops over messages, has several
// readers, settles by hand in any order, and has handlers that throw; by chance it cuts connections, and the clock jumps.

import {
  AcknowledgingReceiver,
  DeliveryLedger,
  IpcError,
  listen,
  type AcknowledgingReceiverStats,
  type Connection,
  type SOCMessage,
} from 'sentinel-ipc'
import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'

import { imbalanceOf } from '../support/delivery-sums.js'
import { stepClock } from './clock.js'
import { isRefused, randomFrom } from './options.js'
import { Output } from './output.js'

const { directory, seed } = JSON.parse(process.argv[2] ?? '{}') as { directory: string; seed: number }
const random = randomFrom(seed)
const output = new Output(directory)
const ledger = new DeliveryLedger()
if (output.session !== undefined) {
  ledger.resumeFrom(
    { uid: process.getuid?.() ?? 0, session: output.session, sequence: output.through },
    output.beyond,
  )
}
/** Lines longer than this are refused; see the sender. */
const MAX_MESSAGE_BYTES = 2000
const faults = { cuts: 0, throws: 0, releases: 0, rejects: 0, refused: 0, clockSteps: 0, connections: 0 }

// The handlers throw on purpose.
subscribe('sentinel-ipc:user-error', () => undefined)
const listener = await listen('crash', { directory })
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
setInterval(() => process.send?.({ faults: { ...faults } }), 50).unref()
for await (const connection of listener) void receive(connection)

async function receive(connection: Connection): Promise<void> {
  ++faults.connections
  const mode = (['runs', 'loop', 'readers', 'manual', 'handle'] as const)[Math.floor(random() * 5)] ?? 'runs'
  const byHand = mode === 'manual' || mode === 'handle'
  const receiver = new AcknowledgingReceiver(connection, mode, {
    ledger,
    autoAck: !byHand,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    onInvalid: 'skip',
    maxInvalid: Infinity,
  })
  if (random() < 0.5) void cutAfter(connection, random() * 150)
  if (random() < 0.2) {
    ++faults.clockSteps
    stepClock(random)
  }
  try {
    if (mode === 'runs') await takeRuns(receiver)
    else if (mode === 'loop') await loop(receiver)
    else if (mode === 'readers') await Promise.all([1, 2, 3].map(() => loop(receiver)))
    else if (mode === 'manual') await settleByHand(receiver)
    else await handle(receiver)
  } catch (error) {
    // A killed sender, or a cut, breaks the connection.
    const isBroken = error instanceof IpcError && ['ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT'].includes(error.code)
    if (!isBroken) fail(`${mode}: ${(error as Error).message}`)
  }
  await receiver.close()
  faults.refused += receiver.stats.refused
  check(receiver.stats)
}

/** Checks that a loop gets messages in the order of `send`, but for those that were given back before. */
function inOrder(receiver: AcknowledgingReceiver): (message: SOCMessage) => void {
  let last = 0
  return (message) => {
    const number = receiver.positionOf(message)?.sequence ?? 0
    if (message.deliveries > 1) return
    if (number <= last) fail(`message ${number} was handed out after ${last}`)
    last = number
  }
}

/** The application is done with messages: from here on, none of them may ever come again. Some of them it rejects. */
function finish(receiver: AcknowledgingReceiver, given: readonly SOCMessage[]): void {
  for (const message of given) {
    if (!isRefused(indexOf(message))) continue
    ++faults.rejects
    message.reject('refused')
  }
  const messages = given.filter((message) => !isRefused(indexOf(message)))
  const positions = messages.map((message) => receiver.positionOf(message))
  const [first] = positions
  if (first === undefined) return
  output.append(
    first.session,
    messages.map(indexOf),
    positions.map((position) => position?.sequence ?? 0),
  )
}

function indexOf(message: SOCMessage): number {
  return (message.payload as { i: number }).i
}

async function takeRuns(receiver: AcknowledgingReceiver): Promise<void> {
  const check = inOrder(receiver)
  for await (const run of receiver.batches()) {
    run.forEach(check)
    finish(receiver, run)
  }
}

async function loop(receiver: AcknowledgingReceiver): Promise<void> {
  const check = inOrder(receiver)
  for await (const message of receiver) {
    check(message)
    if (random() < 0.01) await sleep(1)
    finish(receiver, [message])
  }
}

async function settleByHand(receiver: AcknowledgingReceiver): Promise<void> {
  let held: SOCMessage[] = []
  const check = inOrder(receiver)
  for await (const run of receiver.batches()) {
    run.forEach(check)
    held.push(...run)
    if (random() < 0.3) continue
    held.sort(() => random() - 0.5)
    const settled = held.splice(0, 1 + Math.floor(random() * held.length))
    if (random() < 0.1) {
      for (const message of settled) message.release({ delayMs: random() * 5 })
      faults.releases += settled.length
      continue
    }
    finish(receiver, settled)
    receiver.acknowledge(settled)
    if (random() < 0.02) {
      // Leaves the rest to be given back.
      held = []
      return
    }
  }
}

async function handle(receiver: AcknowledgingReceiver): Promise<void> {
  const check = inOrder(receiver)
  await receiver.handle(
    async (message) => {
      check(message)
      if (random() < 0.01) await sleep(1)
      if (random() < 0.005) {
        ++faults.throws
        throw new Error('the handler fails')
      }
      finish(receiver, [message])
    },
    { concurrency: 4, retryDelayMs: 1 },
  )
}

async function cutAfter(connection: Connection, ms: number): Promise<void> {
  await sleep(ms)
  if (connection.closed) return
  ++faults.cuts
  connection.destroy()
}

function check(stats: AcknowledgingReceiverStats): void {
  for (const wrong of imbalanceOf({ senders: [], receivers: [stats], settled: false })) fail(wrong)
}

function fail(what: string): void {
  process.send?.({ failed: `the receiver: ${what}` })
}
