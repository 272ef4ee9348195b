// Delivery that is acknowledged, resumed and spooled. Re-exports only.

export type { OnFull } from '../endpoints/message-queue.js'
export { AcknowledgedSender } from './sender/acknowledged-sender.js'
export type {
  AcknowledgedSenderOptions,
  AcknowledgedSenderState,
  AcknowledgedSenderStats,
  DeliveryDrop,
  DeliveryEvent,
  DeliveryRejection,
} from './sender/options.js'
export type { DropCounts, DropReason, SendResult, SendStatus } from './sender/outcome.js'
export { AcknowledgingReceiver } from './receiver/acknowledging-receiver.js'
export type { DeadLetter } from './receiver/dead-letters.js'
export type { HandleOptions } from './receiver/handling.js'
export {
  DeliveryLedger,
  type DeliveryLedgerOptions,
  type DeliveryLedgerStats,
  type ForgottenSession,
  type Position,
} from './receiver/ledger.js'
export type { AcknowledgingReceiverOptions, AcknowledgingReceiverStats } from './receiver/options.js'
