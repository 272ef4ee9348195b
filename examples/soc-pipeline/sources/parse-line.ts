// Recognises a line: a JSON object, a syslog line, or neither.

import { newSOCMessage, rawJSON, SOCMsgType, type SOCMessage } from 'sentinel-ipc'

import { monotonicMicros, type EventForm, type EventPayload } from '../protocol.js'
import { parseSyslog } from './syslog.js'

export type ParsedLine =
  { readonly form: 'json' | 'syslog'; readonly message: SOCMessage } | 'blank' | 'unknown'

/** Makes an event message of a line. `origin` is the place where the line was found. */
export function parseLine(line: string, origin: string): ParsedLine {
  if (line.trim() === '') return 'blank'
  if (isJSONObject(line)) return { form: 'json', message: jsonEvent(line, origin) }
  const fields = parseSyslog(line)
  if (fields === undefined) return 'unknown'
  return { form: 'syslog', message: eventMessage('syslog', origin, { ...fields }) }
}

/** Makes an event message of a value. */
export function eventMessage(
  form: EventForm,
  origin: string,
  event: Readonly<Record<string, unknown>>,
): SOCMessage<EventPayload> {
  return newSOCMessage<EventPayload>(SOCMsgType.Event, { sentAt: monotonicMicros(), origin, form, event })
}

function isJSONObject(line: string): boolean {
  if (!/^\s*\{/.test(line)) return false
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/**
 * The line becomes part of the payload unchanged: evidence must not change on its way, as numbers beyond 2^53 would if
 * they were parsed and written again. It must have been parsed, though: an unchecked line could close the object and
 * add fields to the payload itself.
 */
function jsonEvent(line: string, origin: string): SOCMessage {
  const head = `{"sentAt":${monotonicMicros()},"origin":${JSON.stringify(origin)},"form":"json","event":`
  return newSOCMessage(SOCMsgType.Event, rawJSON(`${head}${line}}`))
}
