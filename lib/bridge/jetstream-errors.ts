// The errors of the JetStream API: which of them are temporary, so that the bridge waits and tries again, and which are
// final until an operator changes something.
//
// Source: server/errors.json of github.com/nats-io/nats-server, which lists each code with its status and text. A code
// never changes its meaning; newer servers only add some.

import { JetStreamApiError } from '@nats-io/jetstream'

/** Codes that the bridge handles one by one. */
export const ApiCode = {
  /** JSConsumerNotFoundErr: the bridge creates the consumer. */
  consumerNotFound: 10014,
  /** JSStreamMessageExceedsMaximumErr: the batch is split, or the message becomes a dead letter. */
  messageTooLarge: 10054,
  /** JSStreamNameExistErr: see {@link isMadeElsewhere}. */
  streamNameInUse: 10058,
  /** JSStreamNotFoundErr: the bridge creates the stream. */
  streamNotFound: 10059,
  /** JSStreamNotMatchErr: the expected reply to the probe of `--check`. */
  streamNotMatch: 10060,
  /** JSStreamSubjectOverlapErr: see {@link isMadeElsewhere}. */
  subjectsOverlap: 10065,
  /** JSStreamWrongLastSequenceErrF: another bridge may have stored a checkpoint. */
  wrongLastSequence: 10071,
  /** JSStreamHeaderExceedsMaximumErr: handled as a message that is too large. */
  headersTooLarge: 10097,
  /** JSStreamWrongLastSequenceConstantErr: as 10071, without the sequence; also sent while another message is being stored. */
  wrongLastSequenceUnknown: 10164,
} as const

/**
 * Errors of creating a stream whose status misleads. All others are judged by their status. One of 500 or more is
 * temporary: JetStream has no leader at present, is starting, or has no room on its disks (10004, 10007, 10008, 10009,
 * 10023, 10028, 10047, 10076, 10118 …). One with a lower status is final: another stream has the name or the subjects
 * (10058, 10065), or the account does not allow such a stream at all (10113, 10120, 10122).
 *
 * Errors of publishing are not in this table: a message that is too large becomes a dead letter, and every other message
 * that JetStream refuses is sent again. Errors of consumers are not in it either: the bridge reports each of them and
 * tries again, because the messages wait in the stream.
 */
const EXCEPTIONS: ReadonlyMap<number, 'temporary' | 'final'> = new Map([
  // 400 JSAccountResourcesExceededErr, JSMaximumStreamsLimitErr: the account is full until some of its streams are deleted.
  [10002, 'temporary'],
  [10027, 'temporary'],
  // 400 JSClusterNoPeersErrF: "no suitable peers for placement", while servers of the cluster are away or full.
  [10005, 'temporary'],
  // 404: the stream was deleted between two requests.
  [ApiCode.streamNotFound, 'temporary'],
  // 429 JSStreamTooManyRequests.
  [10167, 'temporary'],
  // 400 JSClusterServerMemberChangeInflightErr.
  [10202, 'temporary'],
  // 503 JSClusterUnSupportFeatureErr: "not currently supported in clustered mode".
  [10036, 'final'],
  // 500 JSStreamInvalidConfigF: the server does not allow the configuration.
  [10052, 'final'],
  // 500 JSStreamReplicasNotSupportedErr: several copies on a server that is not part of a cluster.
  [10074, 'final'],
])

/** Whether a refusal to create a stream is final, so that trying again with the same options cannot succeed. */
export function isFinalRefusal(error: unknown): error is JetStreamApiError {
  if (!(error instanceof JetStreamApiError)) return false
  return (EXCEPTIONS.get(error.code) ?? (error.status < 500 ? 'final' : 'temporary')) === 'final'
}

/** Whether the error may mean that another client is creating the same stream at this moment. */
export function isMadeElsewhere(error: unknown): boolean {
  return hasApiCode(error, ApiCode.streamNameInUse) || hasApiCode(error, ApiCode.subjectsOverlap)
}

/** Whether an error is one of the JetStream API with this code. */
export function hasApiCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}

/** Whether a stream refused a message because of its size. */
export function isTooLargeCode(code: number): boolean {
  return code === ApiCode.messageTooLarge || code === ApiCode.headersTooLarge
}

/** Whether a stream refused a message because another one was stored, or is being stored, since. */
export function isWrongLastSequence(code: number): boolean {
  return code === ApiCode.wrongLastSequence || code === ApiCode.wrongLastSequenceUnknown
}
