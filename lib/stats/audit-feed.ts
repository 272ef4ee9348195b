// Passes the events of the audit channels to followers. Subscribes only while there is a follower, because some events
// cost time only while something subscribes.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { describeError, isError, isIpcError } from '../base/errors.js'

/** The channels, without their prefix `sentinel-ipc:`. */
export const AUDIT_CHANNELS = [
  'accept',
  'reject',
  'invalid',
  'drop',
  'close',
  'address-lost',
  'user-error',
] as const

/** An event of an audit channel, as JSON: what the channel publishes, with errors as `{ code, message, reason }`. */
export interface AuditRecord {
  /** Name of the channel, without `sentinel-ipc:`. */
  readonly event: string
  /** Unix time in milliseconds. */
  readonly timeMs: number
  /** Path of the socket, or (Windows) name of the pipe; absent for `user-error`. */
  readonly address?: string
  /** Further fields of the event. */
  readonly [key: string]: unknown
}

type Follower = (record: AuditRecord) => void

const followers = new Set<Follower>()

const listeners = AUDIT_CHANNELS.map((event) => {
  const onEvent = (message: unknown): void => {
    const record: AuditRecord = { event, timeMs: Date.now(), ...(plain(message) as object) }
    for (const follower of followers) follower(record)
  }
  return [`sentinel-ipc:${event}`, onEvent] as const
})

/** Calls `follower` with every event until the returned function is called. `follower` must not throw. */
export function followAudit(follower: Follower): () => void {
  if (followers.size === 0) for (const [name, onEvent] of listeners) subscribe(name, onEvent)
  followers.add(follower)
  return () => {
    if (!followers.delete(follower) || followers.size > 0) return
    for (const [name, onEvent] of listeners) unsubscribe(name, onEvent)
  }
}

/** Replaces the error of an event by a plain object, because JSON omits the message of an Error. */
function plain(event: unknown): unknown {
  if (typeof event !== 'object' || event === null) return event
  return Object.fromEntries(
    Object.entries(event).map(([key, part]) => [key, key === 'error' ? errorOf(part) : part]),
  )
}

/** Application code may throw anything, with any code. Never throws. */
function errorOf(value: unknown): unknown {
  if (value === undefined) return undefined
  const message = describeError(value).slice(0, 1024)
  try {
    if (!isError(value)) return { message }
    const { code } = value as { readonly code?: unknown }
    const reason = isIpcError(value) ? value.reason : undefined
    return {
      ...((typeof code === 'string' || typeof code === 'number') && { code }),
      message,
      ...(reason !== undefined && { reason }),
    }
  } catch {
    return { message } // a getter has thrown
  }
}
