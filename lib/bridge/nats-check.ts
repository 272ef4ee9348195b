// Checks a NATS server for a bridge, without changing anything: server, streams, subjects, limits, consumer.

import {
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'

import { parseJson } from '../base/json.js'
import { describeError } from '../base/errors.js'
import { ApiCode } from './jetstream-errors.js'
import { consumerFault } from './nats-consumer.js'
import { checkNatsOptions, type NatsOptions, type NatsSettings } from './nats-options.js'
import { subjectOf } from './nats-subjects.js'

/** One finding of {@link checkNats}. */
export interface NatsFinding {
  /** `error`: the bridge cannot work, or may lose messages. `warning`: it works, with a cost. `ok`: as it should be. */
  readonly level: 'error' | 'warning' | 'ok'
  /** What was found, and what to do about it. */
  readonly text: string
}

/** Options of {@link checkNats}. */
export interface NatsCheckOptions extends NatsOptions {
  /** The durable consumer of an incoming bridge. Default: only the needs of an outgoing bridge are checked. */
  readonly consumer?: string
  /**
   * With a consumer: the host whose messages the incoming bridge reads; default: all hosts. Without one: name of this
   * host for an outgoing bridge, to check the permission to publish its messages; default: not checked.
   */
  readonly host?: string
}

const NOT_FOUND = 404
/** Messages, dead letters, checkpoints. */
const NEW_STREAMS = 3
const CONNECT_TIMEOUT_MS = 3000
/** Smaller messages leave no room for the headers of a batch. */
const SMALL_PAYLOAD = 1 << 16
/** Share of a stream's limit. */
const NEARLY_FULL = 0.8

type Report = (level: NatsFinding['level'], text: string) => void

/**
 * Reports problems with the server, its streams, subjects and limits before any message flows. Changes nothing.
 *
 * @throws TypeError, RangeError for options that are not allowed
 */
export async function checkNats(options: NatsCheckOptions = {}): Promise<NatsFinding[]> {
  const { consumer, host, ...shared } = options
  const settings = checkNatsOptions('checkNats', shared)
  const findings: NatsFinding[] = []
  const report: Report = (level, text) => void findings.push({ level, text })
  let nc: NatsConnection
  try {
    nc = await connect({ timeout: CONNECT_TIMEOUT_MS, ...settings.connection, reconnect: false })
  } catch (error) {
    report('error', `no connection: ${describeError(error)}. Check the address, the credentials and TLS.`)
    return findings
  }
  try {
    await checkServer(nc, settings, consumer, host, report)
  } catch (error) {
    report('error', `the check ended early: ${describeError(error)}`)
  } finally {
    await nc.close()
  }
  return findings
}

async function checkServer(
  nc: NatsConnection,
  settings: NatsSettings,
  consumer: string | undefined,
  host: string | undefined,
  report: Report,
): Promise<void> {
  const { version = '?', max_payload = 0 } = nc.info ?? {}
  report('ok', `connected to ${nc.getServer()}, version ${version}`)
  if (max_payload < SMALL_PAYLOAD) {
    report('warning', `max_payload is ${max_payload} bytes: longer messages become dead letters. Raise it.`)
  } else {
    report('ok', `max_payload is ${max_payload} bytes`)
  }
  let manager: JetStreamManager
  try {
    manager = await jetstreamManager(nc)
  } catch (error) {
    report(
      'error',
      `JetStream is not available: ${describeError(error)}. Enable it for the server and the account.`,
    )
    return
  }
  const { prefix, stream, config } = settings
  const info = await found(() => manager.streams.info(stream))
  if (info === undefined) {
    const owner = await ownerOf(manager, `${prefix}.host.type`)
    if (owner === undefined) {
      report('ok', `there is no stream ${stream}; the bridge makes it`)
      await checkRoom(manager, config.bytes, report)
    } else
      report(
        'error',
        `the stream ${owner} takes subjects of ${prefix}: name it with --stream, or take another --prefix`,
      )
  } else {
    checkStream(info, settings, report)
  }
  for (const [name, first, rest] of [
    [`${stream}_DEAD`, `${prefix}_dead`, 'host.type'],
    [`${stream}_STATE`, `${prefix}_state`, 'consumer'],
  ] as const) {
    const subject = `${first}.${rest}`
    const owner = await ownerOf(manager, subject)
    if (owner !== undefined && owner !== name) {
      report(
        'error',
        `the stream ${owner} takes ${subject}, which belongs into ${name}: take another --prefix`,
      )
    }
    // An outgoing bridge needs no permission to read checkpoints.
    if (consumer === undefined && first.endsWith('_state')) continue
    const existing = await found(() => manager.streams.info(name))
    if (existing !== undefined) checkTakes(existing, first, report)
  }
  if (info === undefined) return
  if (consumer === undefined) {
    if (host !== undefined) await checkPermission(nc, settings, host, report)
    return
  }
  const existing = await found(() => manager.consumers.info(stream, consumer))
  if (existing === undefined) report('ok', `there is no consumer ${consumer}; the bridge makes it`)
  else checkConsumer(existing, prefix, host, report)
}

/** Whether the account has room for a new stream. */
async function checkRoom(manager: JetStreamManager, bytes: number, report: Report): Promise<void> {
  const { limits, storage, streams } = await manager.getAccountInfo()
  const { max_storage, max_streams } = limits
  if (max_storage >= 0 && max_storage - storage < bytes) {
    report(
      'error',
      `the account has ${max_storage - storage} bytes left for streams, and the stream takes ${bytes}: raise its limit, or make a smaller stream`,
    )
  }
  if (max_streams >= 0 && max_streams - streams < NEW_STREAMS) {
    report(
      'error',
      `the account may have ${max_streams - streams} more streams, and the bridge makes ${NEW_STREAMS}: raise its limit`,
    )
  }
}

/** Publishes a message that the stream must refuse: its error shows that the message reached it. */
async function checkPermission(
  nc: NatsConnection,
  { prefix, stream }: NatsSettings,
  host: string,
  report: Report,
): Promise<void> {
  const subject = subjectOf(prefix, host, 'check')
  const hdrs = headers()
  hdrs.set('Nats-Expected-Stream', `${stream}_NOT`)
  try {
    const { data } = await nc.request(subject, '', { headers: hdrs, timeout: CONNECT_TIMEOUT_MS })
    const { error } = parseJson(Buffer.from(data).toString()) as { error?: { err_code?: number } }
    if (error?.err_code === ApiCode.streamNotMatch) report('ok', `may publish to ${subject}`)
    else report('error', `${subject} goes to something that is not ${stream}`)
  } catch (error) {
    const why = describeError(error)
    report('error', `cannot publish to ${subject}: ${why}. Give this user permission to ${prefix}.<host>.>`)
  }
}

/** Whether a stream accepts and acknowledges messages whose subjects begin with `first`. */
function checkTakes({ config }: StreamInfo, first: string, report: Report): void {
  const { name, mirror, sealed, no_ack } = config
  // The client's types claim that every stream has subjects.
  const subjects = (config as Partial<StreamConfig>).subjects ?? []
  if (mirror !== undefined) {
    report('error', `stream ${name} mirrors ${mirror.name} and takes nothing itself: take another --stream`)
  } else if (!subjects.some((subject) => subject === `${first}.>` || subject === '>')) {
    report('error', `stream ${name} does not take ${first}.>, but ${subjects.join(', ')}: add the subject`)
  }
  if (sealed) report('error', `stream ${name} is sealed and takes nothing`)
  if (no_ack) report('error', `stream ${name} does not acknowledge: clear no_ack`)
}

function checkStream(info: StreamInfo, { prefix, stream }: NatsSettings, report: Report): void {
  const { config, state } = info
  report('ok', `stream ${stream}: ${state.messages} messages, ${state.bytes} bytes`)
  checkTakes(info, prefix, report)
  if (config.discard !== DiscardPolicy.New) {
    report(
      'warning',
      `stream ${stream} deletes its oldest messages when it is full, read or not: set discard to new`,
    )
  }
  if (config.retention !== RetentionPolicy.Limits) {
    report(
      'warning',
      `stream ${stream} deletes what was acknowledged; a consumer that is deleted loses its messages`,
    )
  }
  if (config.storage === StorageType.Memory) {
    report('warning', `stream ${stream} is in memory: messages are lost when the server stops`)
  }
  if (config.max_msgs_per_subject > 0) {
    report(
      'error',
      `stream ${stream} keeps ${config.max_msgs_per_subject} messages of a subject: set it to -1`,
    )
  }
  if (config.max_msg_size > 0) {
    report(
      'warning',
      `stream ${stream} takes messages of ${config.max_msg_size} bytes at most: longer ones become dead letters`,
    )
  }
  const full = Math.max(
    config.max_bytes > 0 ? state.bytes / config.max_bytes : 0,
    config.max_msgs > 0 ? state.messages / config.max_msgs : 0,
  )
  if (full > NEARLY_FULL) {
    report('warning', `stream ${stream} is ${Math.round(100 * full)} % full; when it is full, senders wait`)
  }
  if (config.num_replicas === 1) report('warning', `stream ${stream} has one copy: it is as safe as one disk`)
}

function checkConsumer(
  { name, config, num_pending, num_ack_pending }: ConsumerInfo,
  prefix: string,
  host: string | undefined,
  report: Report,
): void {
  report('ok', `consumer ${name}: ${num_pending} messages to come, ${num_ack_pending} not acknowledged`)
  const fault = consumerFault(config, prefix, host)
  if (fault !== undefined) report('error', `consumer ${name} ${fault}: take another --consumer`)
  if (config.max_deliver !== undefined && config.max_deliver > 0) {
    report(
      'warning',
      `consumer ${name} gives a message up after ${config.max_deliver} deliveries: set max_deliver to -1`,
    )
  }
}

async function ownerOf(manager: JetStreamManager, subject: string): Promise<string | undefined> {
  for await (const name of manager.streams.names(subject)) return name
  return undefined
}

/** Returns undefined if the object does not exist. */
async function found<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === NOT_FOUND) return undefined
    throw error
  }
}
