// Checks the configuration of an existing JetStream consumer, so that an incoming bridge that did not create it misses
// no messages.

import { AckPolicy, type ConsumerConfig } from '@nats-io/jetstream'

import { tokenOf } from './nats-subjects.js'

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
