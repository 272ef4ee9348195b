// The kinds of messages that have names of their own.

/** The message kinds that the Go package defines (Go: `SOCMsgType`). Others are passed on as they are. */
export const SOCMsgType = {
  /** A persisted event, to be correlated. */
  Event: 'soc_event',
  /** An incident, to be responded to. */
  Incident: 'soc_incident',
  /** An acknowledgement. */
  Ack: 'soc_ack',
  /** A keepalive. */
  Heartbeat: 'soc_heartbeat',
} as const
export type SOCMsgType = (typeof SOCMsgType)[keyof typeof SOCMsgType]

/** The message types by their number, which is a MessageTypeCode of ../binding/abi.ts; 0 stands for any other. */
export const TYPE_NAMES: readonly string[] = [
  '',
  SOCMsgType.Event,
  SOCMsgType.Incident,
  SOCMsgType.Ack,
  SOCMsgType.Heartbeat,
]
