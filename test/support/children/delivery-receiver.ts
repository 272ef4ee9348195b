// Receives acknowledged messages and reports their payloads on request.

import { AcknowledgingReceiver, DeliveryLedger, listen } from 'sentinel-ipc'

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
const payloads: unknown[] = []
const ledger = new DeliveryLedger()
const listener = await listen('test', { directory })
process.on('message', () => process.send?.({ payloads }))
process.send?.({ ready: true })
for await (const connection of listener) {
  void (async () => {
    for await (const message of new AcknowledgingReceiver(connection, 'r', { ledger, minHeartbeatMs: 10 })) {
      payloads.push(message.payload)
    }
  })().catch(() => undefined)
}
