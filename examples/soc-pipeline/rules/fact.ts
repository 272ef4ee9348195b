// Turns an event message into the fact that rules work on: who, when, and what happened.

import type { EventPayload, Evidence } from '../protocol.js'
import { text, type Happening, type Kind } from './happening.js'
import { linuxFact } from './linux.js'
import { windowsFact } from './windows.js'

/** Something that happened on a host, and the event that reports it. */
export interface Fact {
  readonly host: string
  /** By the event's own clock, in milliseconds since 1970. */
  readonly time: number
  readonly evidence: Evidence
  readonly what: Happening
}

/** A fact of this kind. */
export type FactOf<K extends Kind> = Fact & { readonly what: Extract<Happening, { kind: K }> }

/** Returns the fact that an event reports; undefined if no rule needs it, as for most events. */
export function factOf({ event, form, origin }: EventPayload, id: string, now: number): Fact | undefined {
  const what = form === 'json' && event.EventID !== undefined ? windowsFact(event) : linuxFact(form, event)
  if (what === undefined) return undefined
  const time = Date.parse(text(event, '@timestamp', 'TimeCreated', 'time', 'timestamp', 'EventTime'))
  return {
    host: text(event, 'Hostname', 'Computer', 'host', 'hostname') || 'unknown host',
    time: Number.isNaN(time) ? now : time,
    evidence: { id, origin },
    what,
  }
}
