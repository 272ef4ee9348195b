// Messages with numbers as their ids, and the ids of what arrives.

import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import type { Receiver } from '../../lib/endpoints/receiver.js'

export function numbered(count: number, from = 0, payload: unknown = 1): SOCMessage[] {
  return Array.from({ length: count }, (_, i) =>
    newSOCMessage('soc_event', payload, { id: String(from + i) }),
  )
}

export async function idsFrom(receiver: Receiver, count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const { value } = await receiver.next()
    if (value === undefined) break
    ids.push(value.id)
  }
  return ids
}
