// JSON Pointers (RFC 6901): "" is the whole value, "/host/name" and "/list/0" lead into it. Must not know messages.

import { describeValue } from '../base/options.js'
import { quoteText } from '../base/quote.js'

const MAX_LENGTH = 1024
/** A payload is nested no deeper. */
const MAX_TOKENS = 255

const VALID = /^(?:\/(?:[^~/]|~[01])*)*$/
const INDEX = /^(?:0|[1-9]\d*)$/

/**
 * Checks the syntax of a pointer. `what` names it in errors.
 *
 * @throws TypeError for a value that is not a valid pointer; RangeError for one that is too long
 */
export function checkPointer(pointer: unknown, what: string): asserts pointer is string {
  if (typeof pointer !== 'string')
    throw new TypeError(`${what} must be a JSON Pointer, not ${describeValue(pointer)}`)
  if (pointer.length > MAX_LENGTH || pointer.split('/').length - 1 > MAX_TOKENS) {
    throw new RangeError(`${what} must have at most ${MAX_LENGTH} characters and ${MAX_TOKENS} parts`)
  }
  // A text with half a surrogate pair has no UTF-8, so it could never match.
  if (!VALID.test(pointer) || !pointer.isWellFormed()) {
    throw new TypeError(
      `${what} must be a JSON Pointer, "" or "/name/…" with ~ written ~0 and / written ~1, not ${quoteText(pointer, 60)}`,
    )
  }
}

/** The value that a valid pointer leads to; undefined if it leads nowhere. */
export function valueAt(value: unknown, pointer: string): unknown {
  let found = value
  for (const escaped of pointer.split('/').slice(1)) {
    if (typeof found !== 'object' || found === null) return undefined
    const token = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(found) ? !INDEX.test(token) : !Object.hasOwn(found, token)) return undefined
    found = (found as Record<string, unknown>)[token]
  }
  return found
}
