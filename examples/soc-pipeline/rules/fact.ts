// Turns an event message into the fact that rules work on: who, when, and what happened.

import type { EventForm, EventPayload, Evidence } from '../protocol.js'
import { cloudFact } from './cloud.js'
import { text, type Fields, type Happening, type Kind } from './happening.js'
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
  const what = happeningOf(form, event)
  if (what === undefined) return undefined
  const time = Date.parse(
    text(event, '@timestamp', 'TimeCreated', 'time', 'timestamp', 'EventTime', 'eventTime'),
  )
  return {
    host: text(event, 'Hostname', 'Computer', 'host', 'hostname', 'recipientAccountId') || 'unknown host',
    time: Number.isNaN(time) ? now : time,
    evidence: { id, origin },
    what,
  }
}

function happeningOf(form: EventForm, event: Fields): Happening | undefined {
  if (form === 'json' && event.EventID !== undefined) return windowsFact(event)
  if (form === 'json' && typeof event.eventSource === 'string') return cloudFact(event)
  return linuxFact(form, event)
}
