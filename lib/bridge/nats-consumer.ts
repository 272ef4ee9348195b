// The durable consumer that an incoming bridge reads with. One that does not exist is created. One that was created
// elsewhere is checked, so that the bridge misses no messages.

import {
  AckPolicy,
  DeliverPolicy,
  RetentionPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
} from '@nats-io/jetstream'

import { IpcError } from '../base/errors.js'
import { ApiCode, hasApiCode } from './jetstream-errors.js'
import type { NatsLink } from './nats-link.js'
import type { NatsSettings } from './nats-options.js'
import { tokenOf } from './nats-subjects.js'

const ACK_WAIT_NS = 30e9
const MAX_ACK_PENDING = 1 << 14
/** If an earlier process left more messages than this unsettled, the consumer is created anew at the first of them. */
const MOST_READ_SINGLY = 2048

/**
 * Returns the consumer, created so that it continues after a position if it does not exist.
 *
 * @throws {IpcError} ERR_IPC_SYSTEM for a consumer that the bridge cannot use; as {@link NatsLink.ask}
 */
export async function openConsumer(
  link: NatsLink,
  { stream, prefix }: NatsSettings,
  name: string,
  host: string | undefined,
  after: number,
): Promise<ConsumerInfo> {
  const { retention } = (await link.ask(({ streams }) => streams.info(stream))).config
  const isLog = retention === RetentionPolicy.Limits
  const found = await findConsumer(link, stream, name)
  if (found !== undefined) {
    const fault = consumerFault(found.config, prefix, host)
    if (fault !== undefined) {
      const why = `the consumer ${name} of ${stream} ${fault}: give the bridge another name`
      throw new IpcError('ERR_IPC_SYSTEM', why)
    }
    // In other streams, deleting the consumer would delete its messages.
    if (found.delivered.stream_seq - after <= MOST_READ_SINGLY || !isLog) return found
    await link.ask(({ consumers }) => consumers.delete(stream, name))
  }
  const wanted: Partial<ConsumerConfig> = {
    durable_name: name,
    // A work queue requires an acknowledgement of each message.
    ack_policy: isLog ? AckPolicy.All : AckPolicy.Explicit,
    ack_wait: ACK_WAIT_NS,
    max_ack_pending: MAX_ACK_PENDING,
    filter_subject: filterOf(prefix, host),
    // A work queue holds unacknowledged messages only, and all of them are wanted.
    ...(after === 0 || !isLog
      ? { deliver_policy: DeliverPolicy.All }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: after + 1 }),
  }
  return link.ask(({ consumers }) => consumers.add(stream, wanted))
}

async function findConsumer(link: NatsLink, stream: string, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await link.ask(({ consumers }) => consumers.info(stream, name))
  } catch (error) {
    if (hasApiCode(error, ApiCode.consumerNotFound)) return undefined
    throw error
  }
}

/** Returns the subjects that an incoming bridge reads: those of one host, or of all hosts. */
export function filterOf(prefix: string, host: string | undefined): string {
  return host === undefined ? `${prefix}.>` : `${prefix}.${tokenOf(host)}.>`
}

/** Returns why an incoming bridge cannot use a consumer; undefined if it can. */
export function consumerFault(
  config: Readonly<ConsumerConfig>,
  prefix: string,
  host: string | undefined,
): string | undefined {
  if (config.deliver_subject !== undefined) return 'pushes, and the bridge needs one that is pulled from'
  if (config.ack_policy === AckPolicy.None)
    return 'takes no acknowledgements: its ack_policy must be all or explicit'
  if (config.headers_only === true) return 'delivers headers only, and the messages are in the data'
  const filters = config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : ['>'])
  const wanted = filterOf(prefix, host)
  const [filter, another] = filters
  const fits = filter === wanted || (filter === '>' && host === undefined)
  if (fits && another === undefined) return undefined
  return `reads ${filters.join(', ')}, and the bridge wants ${wanted}`
}
