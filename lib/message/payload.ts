// Converts payloads between values and text. Refuses values that JSON cannot express; received text never changes a
// prototype, and a text that is handed out keeps no other text alive.

import { parseJson, parsePlainNames } from '../base/json.js'

/**
 * The JSON text of a value; undefined for undefined.
 *
 * @throws TypeError for a value that JSON cannot express
 */
export function stringifyPayload(payload: unknown): string | undefined {
  if (payload === undefined) return undefined
  // The type of JSON.stringify hides that functions and symbols give undefined.
  const text = JSON.stringify(payload) as string | undefined
  if (text === undefined) throw new TypeError(`payload must be a JSON value, not a ${typeof payload}`)
  return text
}

// Each letter of the key may be written as an escape.
const SUSPICIOUS = /__proto__|\\u00[4-7]/

/**
 * Nesting levels that a receiver accepts, the envelope included. The same as kMaxDepth of native/frames/json_walker.h.
 */
const MAX_DEPTH = 256

/** No shorter text is nested too deeply: each level takes a bracket at both ends. */
export const LEAST_DEEP_LENGTH = 2 * MAX_DEPTH

/**
 * Whether a JSON text may be nested too deeply for a receiver. Nearly all texts have too few brackets for that; the
 * addon checks the others when they are sent.
 */
export function mayBeTooDeep(text: string): boolean {
  // Each bracket that opens a level needs another one that closes it.
  const lastAt = text.length - MAX_DEPTH
  let brace = text.indexOf('{')
  let bracket = text.indexOf('[')
  for (let levels = 1; levels < MAX_DEPTH; ++levels) {
    const at = brace === -1 || (bracket !== -1 && bracket < brace) ? bracket : brace
    // Not enough text is left for the levels that are missing.
    if (at === -1 || at > lastAt - (MAX_DEPTH - levels)) return false
    if (at === brace) brace = text.indexOf('{', at + 1)
    else bracket = text.indexOf('[', at + 1)
  }
  return true
}

/** Whether a text is JSON. */
export function isJson(text: string): boolean {
  try {
    parsePlainNames(text) // its names do not matter
    return true
  } catch {
    return false
  }
}

/** The value of a JSON text, in which a key `__proto__` stays data. */
export function parsePayload(text: string): unknown {
  return parseJson(text, SUSPICIOUS.test(text) ? hidePrototypeKey : undefined)
}

/** For {@link parseJson}: keeps a key `__proto__` as data. */
export function hidePrototypeKey(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__')) {
    Object.defineProperty(value, '__proto__', { enumerable: false })
  }
  return value
}

const scratch = Buffer.allocUnsafeSlow(4096)

/**
 * A copy of an ASCII text that shares no memory with the text it was cut from. In V8 a slice of 13 characters or more
 * keeps its whole parent alive, so an id kept in a Map would keep a whole page.
 */
export function detached(slice: string): string {
  if (slice.length < 13) return slice
  const buffer = slice.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(slice.length)
  return buffer.toString('latin1', 0, buffer.write(slice, 'latin1'))
}
