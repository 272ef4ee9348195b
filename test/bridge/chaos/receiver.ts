// Chaos run, the receiving application: writes what it got and its position together, as an application does that must not
// handle a message twice.

import { AcknowledgingReceiver, DeliveryLedger, listen, type Position } from 'sentinel-ipc'
import { existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

import type { OutputEntry, ReceiverArguments } from './parts.js'

const { directory, output } = JSON.parse(process.argv[2] ?? '{}') as ReceiverArguments
const ledger = new DeliveryLedger()
const file = openSync(output, 'a')
if (existsSync(output)) {
  // A kill in the middle of a write leaves the end of the file without a newline.
  const text = readFileSync(output, 'utf8')
  const whole = text.lastIndexOf('\n') + 1
  ftruncateSync(file, whole)
  const last = new Map<string, Position>()
  for (const line of text.slice(0, whole).split('\n')) {
    if (line === '') continue
    const { position } = JSON.parse(line) as OutputEntry
    last.set(position.session, position)
  }
  for (const position of last.values()) ledger.resumeFrom(position)
}

const listener = await listen('chaos-in', { directory })
process.send?.({ ready: true })
for await (const connection of listener) {
  const receiver = new AcknowledgingReceiver(connection, 'chaos', { ledger })
  void (async () => {
    for await (const messages of receiver.batches()) {
      const { position } = receiver
      if (position === undefined) throw new Error('a message without a position')
      writeSync(file, `${JSON.stringify({ position, ids: messages.map(({ id }) => id) })}\n`)
    }
  })().catch(() => undefined)
}
