// Loads the package, replaces every timer and clock of the global object by one that never fires, as jest, sinon and
// node:test do for fake timers, and uses the package. A bare global in it would hang, and the parent would run out of time.

import {
  AcknowledgedSender,
  AcknowledgingReceiver,
  BufferedSender,
  DeliveryLedger,
  dial,
  dialWithRetry,
  listen,
  newSOCMessage,
  Receiver,
  Sender,
} from 'sentinel-ipc'

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
const alive = setInterval(() => undefined, 1000)

const frozen = (): never => undefined as never
Object.assign(globalThis, {
  setTimeout: frozen,
  setInterval: frozen,
  setImmediate: frozen,
  queueMicrotask: frozen,
  performance: { now: () => 0 },
})

const listener = await listen('fake', { directory })
const late = dialWithRetry('late', 20, { directory })
const [client, server] = await Promise.all([dial('fake', { directory }), listener.accept()])
const sender = new Sender(client, 's')
const receiver = new Receiver(server, 'r', { idleTimeoutMs: 60_000 })
await Promise.all([1, 2, 3].map((i) => sender.send(newSOCMessage('t', i))))
const received = []
for (let i = 0; i < 3; ++i) received.push((await receiver.next()).value?.payload)
const buffered = new BufferedSender(await dial('fake', { directory }), 'b')
buffered.send(newSOCMessage('t', 4))
await buffered.flush()
await buffered.close()
await sender.close()
await receiver.close()

// dialWithRetry is waiting by now, for 500 ms on the clock that cannot be replaced.
const second = await listen('late', { directory })
;(await late).destroy()
second.close()
listener.close()

const acknowledging = await listen('ack', { directory })
const delivery = new AcknowledgedSender('ack', { directory })
const acknowledgedReceiver = new AcknowledgingReceiver(await acknowledging.accept(), 'r', {
  ledger: new DeliveryLedger(),
})
const sent = delivery.send(newSOCMessage('t', 5))
void (async () => {
  for await (const message of acknowledgedReceiver) received.push(message.payload)
})()
const { status } = await sent
await delivery.close({ timeoutMs: 5000 })
acknowledging.close()

process.send?.({ received, status })
clearInterval(alive)
process.disconnect()
