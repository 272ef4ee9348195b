// Messages as lines of text: JSON for programs, and columns for people on a terminal.

import { printable } from '../../base/quote.js'
import type { SOCMessage } from '../../message/message.js'
import type { Output } from './output.js'
import { cut, pad, widthOf } from './text.js'
import { clockTime } from './units.js'

/** The parts of a message to print. */
export interface MessageParts {
  /** JSON Pointers of the parts of the payload to print; undefined for the whole payload. */
  readonly fields: readonly string[] | undefined
  readonly peer: boolean
}

export const WHOLE_MESSAGE: MessageParts = { fields: undefined, peer: false }

/** Returns a message as one line of JSON, with its extra keys and the text of the payload as received. */
export function jsonMessage(message: SOCMessage, parts: MessageParts): string {
  const { type, id, timestamp, meta, rawPayload, peer } = message
  const members = [`"type":${JSON.stringify(type)}`]
  if (id !== '') members.push(`"id":${JSON.stringify(id)}`)
  members.push(`"ts":${timestamp}`)
  const extra = JSON.stringify(meta)
  if (extra !== '{}') members.push(extra.slice(1, -1))
  if (parts.fields !== undefined) members.push(`"fields":${JSON.stringify(picked(message, parts.fields))}`)
  else if (rawPayload !== undefined) members.push(`"payload":${rawPayload}`)
  if (parts.peer) members.push(`"peer":${JSON.stringify(peer)}`)
  return `{${members.join(',')}}`
}

function picked(message: SOCMessage, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((pointer) => [pointer, message.field(pointer)]))
}

/** Maximum width of the column of types. It starts with the width of the usual names and grows with longer ones. */
const TYPE_COLUMNS = { least: 13, most: 24 }

/** Lays messages out in columns: time, type, peer, payload. One line each, cut at the edge of the terminal. */
export class MessageColumns {
  readonly #out: Output
  readonly #parts: MessageParts
  /** Print payloads to their end, over as many lines as the terminal needs. */
  readonly #full: boolean
  #typeWidth: number = TYPE_COLUMNS.least

  constructor(out: Output, parts: MessageParts, full: boolean) {
    this.#out = out
    this.#parts = parts
    this.#full = full
  }

  line(message: SOCMessage): string {
    const { type, timestamp, peer } = message
    const out = this.#out
    const style = type === 'soc_incident' ? 'red' : type === 'soc_heartbeat' ? 'dim' : 'cyan'
    // A message that states no time has 0.
    const time = timestamp === 0 ? '-'.padEnd(8) : clockTime(timestamp * 1000)
    const cells = [out.style(time, 'dim'), out.style(this.#typeCell(type), style)]
    if (this.#parts.peer && peer !== undefined)
      cells.push(out.style(`uid ${peer.uid} pid ${peer.pid}`, 'dim'))
    // Only the part of a long payload that can be shown is read: a character takes a column; a combining mark or a
    // surrogate takes none.
    cells.push(this.#body(message, this.#full ? Infinity : 4 * out.columns))
    const line = cells.join('  ').trimEnd()
    return this.#full ? line : cut(line, out.columns)
  }

  #typeCell(type: string): string {
    const shown = printable(type.slice(0, 4 * TYPE_COLUMNS.most))
    const text = this.#full ? shown : cut(shown, TYPE_COLUMNS.most)
    this.#typeWidth = Math.max(this.#typeWidth, Math.min(TYPE_COLUMNS.most, widthOf(text)))
    return pad(text, this.#typeWidth)
  }

  #body(message: SOCMessage, units: number): string {
    const { fields } = this.#parts
    if (fields === undefined) return printable((message.rawPayload ?? '').slice(0, units))
    const shown = fields.map((pointer) => {
      const text = JSON.stringify(message.field(pointer)) ?? '-'
      return `${this.#out.style(`${printable(pointer)}=`, 'dim')}${printable(text.slice(0, units))}`
    })
    return shown.join('  ')
  }
}
