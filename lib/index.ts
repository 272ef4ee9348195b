// What the package offers. Re-exports only.

export type { AcceptEvent, CloseEvent, CloseReason, DropEvent, InvalidEvent, RejectEvent } from './audit.js'
export type { BusyPollOptions } from './busy-poll.js'
export { BufferedSender, type BufferedSenderOptions, type BufferedSenderStats } from './buffered-sender.js'
export { Connection } from './connection.js'
export * from './delivery/index.js'
export { dial, dialWithRetry, type DialOptions } from './dial.js'
export { MAX_MESSAGE_BYTES } from './envelope.js'
export { IpcError, type IpcErrorCode, type IpcErrorDetails } from './errors.js'
export { listen, Listener, type ListenerStats, type ListenOptions } from './listener.js'
export {
  BUFFER_SIZE,
  DEFAULT_TIMEOUT_MS,
  MAX_RETRIES,
  newSOCMessage,
  rawJSON,
  SOCMessage,
  SOCMsgType,
  type NewMessageOptions,
  type RawJSON,
} from './message.js'
export type { PeerIdentity, PeerPolicy } from './peer.js'
export { Receiver, type ReceiverOptions, type ReceiverStats } from './receiver.js'
export { Sender, type SenderOptions, type SendOptions } from './sender.js'
export * from './swarm/index.js'
