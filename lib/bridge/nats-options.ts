// Options that both directions of a bridge to NATS share, with their defaults, and the configuration of the streams
// that it creates.

import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import type { NodeConnectionOptions } from '@nats-io/transport-node'

import { anything, checkOptions, milliseconds, text, wholeNumber, type OptionTable } from '../base/options.js'
import { checkTimeout } from '../base/timing.js'

/** Options of {@link NatsSink}, {@link NatsSource} and {@link checkNats}. */
export interface NatsOptions {
  /**
   * Addresses of servers: `nats://host:port`, or `tls://…`. Default: `connection.servers`, else the client's own
   * default.
   */
  readonly servers?: string | readonly string[]
  /**
   * Options passed to the NATS client: `authenticator` (nkey, credentials file), `user`, `pass`, `token`, `tls`,
   * `reconnectTimeWait`, `name` … Reconnection never gives up unless `maxReconnectAttempts` is set.
   */
  readonly connection?: NodeConnectionOptions
  /** First part of the subjects: `<prefix>.<host>.<type>`. Default: `sentinel`. */
  readonly prefix?: string
  /**
   * The stream of the messages. Default: the prefix in upper case. `<stream>_STATE` and `<stream>_DEAD` belong to it.
   */
  readonly stream?: string
  /**
   * Maximum bytes of the stream, if the bridge creates it. A full stream refuses messages, and senders wait; no message
   * is deleted before its time. Default: 1 GiB.
   */
  readonly streamBytes?: number
  /** How long the stream keeps messages, if the bridge creates it, in milliseconds. Default: 7 days. */
  readonly streamAgeMs?: number
  /** Replicas of the streams, if the bridge creates them, from 1 to 5. Default: 1. */
  readonly replicas?: number
  /** Milliseconds that the server may take to acknowledge a message. Default: 5000. */
  readonly ackTimeoutMs?: number
}

/** The checks of {@link NatsOptions}. */
export const NATS_TABLE: OptionTable<NatsOptions> = {
  servers: anything, // the client checks it
  connection: anything, // the client checks it
  prefix: (value, name) => {
    text(value, name)
    if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(value as string)) return
    throw new TypeError(`${name} must be letters, digits, "-" and "_", in parts separated by dots`)
  },
  stream: (value, name) => {
    text(value, name)
    if (/^[A-Za-z0-9_-]+$/.test(value as string)) return
    throw new TypeError(`${name} must be letters, digits, "-" and "_"`)
  },
  streamBytes: wholeNumber(1 << 20, Number.MAX_SAFE_INTEGER),
  streamAgeMs: milliseconds,
  replicas: wholeNumber(1, 5),
  ackTimeoutMs: milliseconds,
}

export interface NatsSettings {
  readonly connection: NodeConnectionOptions
  readonly prefix: string
  readonly stream: string
  readonly ackTimeoutMs: number
  readonly config: StreamSettings
}

export interface StreamSettings {
  readonly bytes: number
  readonly ageMs: number
  readonly replicas: number
}

const DAY_MS = 86_400_000
const NANOSECONDS = 1e6

/** @throws TypeError, RangeError for options that are not allowed */
export function checkNatsOptions(what: string, options: NatsOptions): NatsSettings {
  const given = checkOptions<NatsOptions>(what, options, NATS_TABLE)
  const { servers, prefix = 'sentinel' } = given
  return {
    connection: {
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      ...given.connection,
      ...(servers !== undefined && { servers: typeof servers === 'string' ? servers : [...servers] }),
    },
    prefix,
    stream: given.stream ?? prefix.toUpperCase().replaceAll('.', '_'),
    ackTimeoutMs: checkTimeout(given.ackTimeoutMs, 5000),
    config: {
      bytes: given.streamBytes ?? 1 << 30,
      ageMs: given.streamAgeMs ?? 7 * DAY_MS,
      replicas: given.replicas ?? 1,
    },
  }
}

export type NewStream = Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] }

/**
 * The stream of the messages. When it is full it refuses messages, so that no unread message is lost and senders wait.
 */
export function messageStream({ prefix, stream, config }: NatsSettings): NewStream {
  return {
    name: stream,
    subjects: [`${prefix}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_bytes: config.bytes,
    max_age: config.ageMs === Infinity ? 0 : config.ageMs * NANOSECONDS,
    num_replicas: config.replicas,
  }
}

/** The stream of the dead letters. When it is full, the oldest are deleted. */
export function deadLetterStream({ prefix, stream, config }: NatsSettings): NewStream {
  return {
    name: `${stream}_DEAD`,
    subjects: [`${prefix}_dead.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: Math.min(config.bytes, 256 << 20),
    max_age: 30 * DAY_MS * NANOSECONDS,
    num_replicas: config.replicas,
  }
}

/** The stream of the checkpoints. Keeps the latest one of each consumer forever. */
export function stateStream({ prefix, stream, config }: NatsSettings): NewStream {
  return {
    name: `${stream}_STATE`,
    subjects: [`${prefix}_state.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_msgs_per_subject: 1,
    max_bytes: Math.min(config.bytes, 64 << 20),
    num_replicas: config.replicas,
  }
}
