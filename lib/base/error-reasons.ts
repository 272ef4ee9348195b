// The closed set of reasons that an IpcError can carry, by subject. docs/api.md explains each. The layouts shared with
// the addon and the protocols above use these names.

/** Why a received line is not a message, or a payload does not make one. */
export type InvalidLineReason =
  | 'not-json'
  | 'not-utf8'
  | 'too-deep'
  | 'not-an-object'
  | 'type-missing'
  | 'type-not-a-string'
  | 'id-not-a-string'
  | 'ts-not-an-integer'
  | 'duplicate-key'
  | 'ambiguous-key'
  | 'too-large'
  | 'truncated'

// `string & Record<never, never>` is any text that the peer chose; unlike `string`, it lets editors complete the other
// names.

/**
 * Why a receiver rejected a message of acknowledged delivery: the reason of an invalid line, `max-deliveries`, the
 * reason that its application gave, or `rejected` if it gave none.
 */
export type RejectionReason =
  InvalidLineReason | 'max-deliveries' | 'rejected' | (string & Record<never, never>)

/**
 * The code of an error reply: one of the codes of an `Endpoint` itself, or the code of the error that the peer's
 * handler threw.
 */
export type RemoteErrorCode =
  | 'ERR_IPC_UNKNOWN_REQUEST'
  | 'ERR_IPC_DUPLICATE_REQUEST'
  | 'ERR_IPC_BUFFER_FULL'
  | 'ERR_IPC_CLOSED'
  | 'ERR_IPC_HANDLER_FAILED'
  | 'ERR_IPC_INVALID_MESSAGE'
  | (string & Record<never, never>)

/** The policy rule or quota that refused a peer. */
export type RefusalReason =
  | 'identity-unreadable'
  | 'no-user'
  | 'unmapped-user'
  | 'foreign-process'
  | 'not-listed'
  | 'executable-unknown'
  | 'executable-not-listed'
  | 'unit-unknown'
  | 'unit-not-listed'
  | 'label-unknown'
  | 'label-not-listed'
  | 'too-many-connections'
  | 'too-many-connections-of-user'
  | 'too-many-new-connections'

/** The limit that made this side end a connection. */
export type LimitReason =
  'idle' | 'no-first-message' | 'unfinished-message' | 'too-many-invalid' | 'user-budget'

/** Why a message was refused or dropped for lack of room: the policy `onFull`, or the spool. */
export type FullReason = 'reject' | 'drop-oldest' | 'drop-newest' | 'shed' | 'full' | 'disk-full'

/** How a peer violated the protocol of acknowledged delivery. */
export type DeliveryViolation =
  | 'bad-statement'
  | 'bad-ack'
  | 'version'
  | 'other-session'
  | 'backwards'
  | 'number-missing'
  | 'late-statement'
  | 'late-answer'
  | 'hole'
  | 'beyond'
  | 'refusals'
  | 'islands'
  | 'rejections'
  | 'flood'

/** How a node violated the protocol of the swarm. */
export type SwarmViolation =
  | 'bad-message'
  | 'bad-handshake'
  | 'bad-request'
  | 'bad-page'
  | 'bad-fact'
  | 'bad-incident'
  | 'own-id'
  | 'sender-changed'
  | 'genome-changed'
  | 'fact-conflict'
  | 'too-many-facts'
  | 'unexpected-message'

/** Every reason that an `IpcError` can carry: the rule that decided, as a short stable name. */
export type IpcErrorReason =
  | InvalidLineReason
  | RefusalReason
  | LimitReason
  | FullReason
  | DeliveryViolation
  | SwarmViolation
  // of acknowledged delivery
  | 'not-acknowledging'
  | 'silent-peer'
  | 'hung-up'
  | 'reserved-id'
  // of a spool or a store
  | 'expired'
  | 'spool-hangs'
  | 'spool-failed'
  | 'maybe-kept'
  | 'spool-damaged'
  | 'spool-in-use'
  | 'unsafe-fact-store'
  | 'store-stuck'
  // of checked messages, text streams and counts
  | 'schema'
  | 'unknown-type'
  | 'not-a-message'
  | 'stats-version'
  // of systemd's environment, and of the bridge to NATS
  | 'environment'
  | 'checkpoint'
  | 'consumer-in-use'
