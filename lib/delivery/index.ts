// Delivery that is acknowledged, resumed and spooled. Re-exports only.

export type { OnFull } from '../message-queue.js'
export { AcknowledgedSender } from './acknowledged-sender.js'
export { AcknowledgingReceiver } from './acknowledging-receiver.js'
export { DeliveryLedger, type DeliveryLedgerOptions, type Position } from './ledger.js'
export type {
  AcknowledgedSenderOptions,
  AcknowledgedSenderState,
  AcknowledgedSenderStats,
  DeliveryDrop,
  DeliveryEvent,
} from './options.js'
export type { DropCounts, DropReason, SendResult, SendStatus } from './receipt.js'
export type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './receiver-options.js'
export type { Spool, SpoolEntry, SpoolEvents, SpoolRecord } from './spool.js'
