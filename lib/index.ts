// The public API of the package. Re-exports only.

export type {
  AcceptEvent,
  AddressLostEvent,
  CloseEvent,
  CloseReason,
  DropEvent,
  InvalidEvent,
  RejectEvent,
} from './connection/audit.js'
export type {
  AddressLostChange,
  ConnectedChange,
  ConnectionCounts,
  DegradedChange,
  EndedChange,
  LifecycleChange,
  LifecycleEvent,
  LifecycleRole,
  LifecycleSource,
  ListeningChange,
  OnEvent,
  PausedChange,
  RejectedChange,
  ResumedChange,
  RetryingChange,
} from './observe/lifecycle.js'
export type { BatchTrace } from './observe/tracing.js'
export type { BusyPollOptions } from './wire/busy-poll.js'
export { BufferedSender } from './endpoints/buffered-sender.js'
export type {
  BufferedSenderCloseOptions,
  BufferedSenderDrops,
  BufferedSenderOptions,
  BufferedSenderStats,
  BufferedSenderWaitOptions,
} from './endpoints/buffered-sender-options.js'
export { Connection, type WhenClosedOptions } from './connection/connection.js'
export * from './delivery/index.js'
export { dial, dialWithRetry, type DialOptions } from './connection/dial.js'
export { MAX_MESSAGE_BYTES } from './message/envelope.js'
export type {
  DeliveryViolation,
  FullReason,
  InvalidLineReason,
  IpcErrorReason,
  LimitReason,
  RefusalReason,
  RejectionReason,
  RemoteErrorCode,
  SwarmViolation,
} from './base/error-reasons.js'
export { IpcError, type IpcErrorCode, type IpcErrorDetails, type RemoteError } from './base/errors.js'
export type { ListenOptions } from './connection/listen-options.js'
export type { ListenerStats } from './connection/admission.js'
export { listen, Listener, type AcceptOptions } from './connection/listener.js'
export type { AddressFound } from './connection/address-watch.js'
export type { FlushSyncOptions } from './endpoints/flush-sync.js'
export { BUFFER_SIZE } from './endpoints/message-queue.js'
export { SOCMsgType } from './message/type.js'
export { SOCMessage } from './message/message.js'
export type { Meta } from './message/meta.js'
export { newSOCMessage, rawJSON, type NewMessageOptions, type RawJSON } from './message/new-message.js'
export { extractTrace, injectTrace, type TraceApi } from './message/trace.js'
export type { PayloadOptions } from './wire/line-reading.js'
export type { PeerIdentity } from './peer/peer.js'
export type { PeerPolicy } from './peer/policy.js'
export { Receiver, type ReceivedMessage } from './endpoints/receiver.js'
export type { ReceiverOptions, ReceiveOptions, ReceiverStats } from './endpoints/receiver-options.js'
export { MAX_RETRIES, Sender } from './endpoints/sender.js'
export type { SenderOptions, SendOptions } from './endpoints/sender-options.js'
export type { InspectedRecord, SpoolInspection, SpoolSegment } from './spool/inspect.js'
export type { SpoolDamage, SpoolOptions, SpoolStats } from './spool/options.js'
export type { SpooledMessage } from './spool/messages.js'
export { Spool } from './spool/spool.js'
export type { SpoolEntry, SpoolEvents, SpoolLog, SpoolRecord } from './spool/spool-log.js'
export * from './swarm/index.js'
export { listenFds, type ListenFd, type ListenFdsOptions } from './systemd/listen-fds.js'
export { notify, type ServiceState } from './systemd/notify.js'
export { watchdog, type Watchdog, type WatchdogOptions } from './systemd/watchdog.js'
export { DEFAULT_TIMEOUT_MS } from './base/timing.js'
export type { UserErrorEvent } from './base/user-code.js'
export { Endpoint } from './services/endpoint.js'
export type {
  EndpointCloseOptions,
  EndpointOptions,
  EndpointStats,
  RequestOptions,
} from './services/endpoint-options.js'
export type { RequestHandler } from './services/incoming-requests.js'
export type { RequestContext } from './services/running-handlers.js'
export { serve, Server } from './services/server.js'
export type {
  ServeOptions,
  ServerCloseOptions,
  ServerCloseResult,
  ServerStats,
} from './services/server-options.js'
export type { ConnectionContext, ConnectionHandler } from './services/serving.js'
export { Publisher, type PublisherOptions, type SubscribeOptions } from './services/publisher.js'
export type { PublisherOnFull, Subscriber, SubscriberStats } from './services/subscriber.js'
export type { LatencyStats } from './observe/latency.js'
export type { AuditRecord } from './stats/audit-feed.js'
export type { ConnectionSnapshot, ObjectSnapshot, StatsSnapshot } from './stats/snapshot.js'
export { openStats, readStats, StatsReader, type ReadStatsOptions } from './stats/stats-reader.js'
export { exposeStats, StatsServer, type ExposeStatsOptions } from './stats/stats-server.js'
export {
  readableFrom,
  readableStreamFrom,
  writableStreamTo,
  writableTo,
  type ReadableOptions,
  type WritableOptions,
} from './services/streams.js'
export type { StandardIssue, StandardResult, StandardSchema } from './services/standard-schema.js'
export {
  validated,
  type MessageSource,
  type OutputOf,
  type Schemas,
  type ValidatedMessage,
  type ValidatedMessages,
  type ValidatedOptions,
  type ValidatedStats,
} from './services/validated.js'
