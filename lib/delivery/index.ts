// Delivery that is acknowledged, resumed and spooled. Re-exports only.

export type { OnFull } from '../endpoints/message-queue.js'
export { AcknowledgedSender } from './sender/acknowledged-sender.js'
export { AcknowledgingReceiver } from './receiver/acknowledging-receiver.js'
export { DeliveryLedger, type DeliveryLedgerOptions, type Position } from './receiver/ledger.js'
export type {
  AcknowledgedSenderOptions,
  AcknowledgedSenderState,
  AcknowledgedSenderStats,
  DeliveryDrop,
  DeliveryEvent,
} from './sender/options.js'
export type { DropCounts, DropReason, SendResult, SendStatus } from './sender/receipt.js'
export type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './receiver/options.js'
