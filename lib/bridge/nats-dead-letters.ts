// Dead letters in NATS: subject `<prefix>_dead.<host>.<type>`, the line as the body, the reason in the headers.

import { headers } from '@nats-io/transport-node'

import type { BridgeDeadLetter } from './bridge.js'
import type { NatsLink } from './nats-link.js'
import { Header, subjectOf, tokenOf } from './nats-subjects.js'

/** Room for the headers of a dead letter. */
const HEADER_BYTES = 2048
const MAX_REASON = 128

export async function publishDeadLetter(
  link: NatsLink,
  prefix: string,
  letter: BridgeDeadLetter,
): Promise<void> {
  const { id, host, type, reason, data } = letter
  const hdrs = headers()
  hdrs.set('Nats-Msg-Id', id)
  hdrs.set(Header.reason, reason.slice(0, MAX_REASON).replace(/[^\x20-\x7e]/g, '?'))
  hdrs.set(Header.host, tokenOf(host))
  hdrs.set(Header.type, tokenOf(type).slice(0, MAX_REASON))
  hdrs.set(Header.bytes, String(data.length))
  const body = data.subarray(0, Math.max(0, link.maxPayload - HEADER_BYTES))
  await link.publish(subjectOf(`${prefix}_dead`, host, type), body, hdrs)
}
