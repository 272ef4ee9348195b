// The receiving process of the crash run: its application appends each run of messages to a file together with where it
// stands, and tells the ledger so when it comes back.

import { AcknowledgingReceiver, DeliveryLedger, IpcError, listen, type Connection } from 'sentinel-ipc'

import { Output } from './output.js'

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
const output = new Output(directory)
const ledger = new DeliveryLedger()
if (output.session !== undefined) {
  ledger.resumeFrom({ uid: process.getuid?.() ?? 0, session: output.session, sequence: output.last })
}
const listener = await listen('crash', { directory })
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
for await (const connection of listener) void receive(connection)

async function receive(connection: Connection): Promise<void> {
  const receiver = new AcknowledgingReceiver(connection, 'receiver', { ledger })
  try {
    for await (const run of receiver.batches()) {
      const { position } = receiver
      if (position === undefined) throw new Error('the sender does not number its messages')
      const indexes = run.map((message) => (message.payload as { i: number }).i)
      output.append(position.session, indexes, position.sequence)
      if (receiver.stats.lost > 0)
        process.send?.({ failed: `the receiver misses ${receiver.stats.lost} messages` })
    }
  } catch (error) {
    // A killed sender breaks its connection.
    if (error instanceof IpcError && error.code === 'ERR_IPC_CLOSED') return
    process.send?.({ failed: `the receiver: ${(error as Error).message}` })
  }
}
