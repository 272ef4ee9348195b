// Everything of the library that the commands use. Loading this file loads the addon. Re-exports only.

export { resolveAddress } from '../../connection/address.js'
export { dial, dialWithRetry } from '../../connection/dial.js'
export { listen } from '../../connection/listener.js'
export { AcknowledgedSender, AcknowledgingReceiver, DeliveryLedger } from '../../delivery/index.js'
export { Receiver } from '../../endpoints/receiver.js'
export { Sender } from '../../endpoints/sender.js'
export { newSOCMessage, rawJSON } from '../../message/new-message.js'
export { Endpoint } from '../../services/endpoint.js'
export { lineOf, LineSplitter, messageOf, payloadMessage } from '../../services/ndjson.js'
export { serve } from '../../services/server.js'
export { readMessages } from '../../spool/read-only.js'
export { Spool } from '../../spool/spool.js'
