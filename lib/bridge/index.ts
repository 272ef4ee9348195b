// sentinel-ipc/nats: bridges to NATS JetStream, and the interfaces for other message systems. Re-exports only.

export type {
  Batch,
  BatchRun,
  BatchSink,
  BatchSource,
  Bridge,
  BridgeCloseOptions,
  BridgeDeadLetter,
  BridgeEvent,
  BridgeState,
  BridgeStats,
  DeadLetterReason,
  OutgoingBatch,
  SavedCheckpoint,
  SinkLimits,
  SourceItem,
} from './bridge.js'
export { InBridge, type InBridgeOptions } from './in-bridge.js'
export { OutBridge, type OutBridgeOptions } from './out-bridge.js'
export { bridgeCommand, type CommandContext, type TextOutput } from './command.js'
export { checkNats, type NatsCheckOptions, type NatsFinding } from './nats-check.js'
export type { NatsOptions } from './nats-options.js'
export { NatsSink } from './nats-sink.js'
export { NatsSource, type NatsSourceOptions } from './nats-source.js'
