// Turns an event message into the fact that rules work on: who, when, and what happened.

import type { EventForm, EventPayload, Evidence } from '../protocol.js'
import { cloudFact } from './cloud.js'
import { text, type Fields, type Happening, type Kind } from './happening.js'
import { isLinuxReport, LINUX_FIELDS, linuxFact } from './linux.js'
import { isWindowsReport, WINDOWS_FIELDS, windowsFact } from './windows.js'

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

/** The fields of an event that decide whether it can be a fact, so that most events need not be parsed. */
export const DECIDING_FIELDS = [...WINDOWS_FIELDS, 'eventSource', ...LINUX_FIELDS] as const

/** Whether an event with these {@link DECIDING_FIELDS} can be a fact. If not, {@link factOf} returns undefined for it. */
export function canBeFact(form: string, deciding: Fields): boolean {
  if (form !== 'json') return true
  if (deciding.EventID !== undefined) return isWindowsReport(deciding)
  return typeof deciding.eventSource === 'string' || isLinuxReport(deciding)
}

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
