// Reads simple JSON values directly from the bytes of a page, without a parser. Must not know messages.

import type { ReadPage } from './page.js'
import type { RecentStrings } from './recent-strings.js'

const QUOTE = 0x22
const MINUS = 0x2d
const DIGIT_0 = 0x30
const LETTER_T = 0x74
const LETTER_F = 0x66
const LETTER_N = 0x6e
/** An integer of this many digits is exact as a number. */
const MAX_DIGITS = 15

/** Returned for a value that is not a scalar, or that needs a parser. */
export const NOT_PLAIN = Symbol('not plain')

/**
 * A string without escapes, a short integer, true, false or null; {@link NOT_PLAIN} for anything else. `recent`: where
 * ASCII strings that repeat are found.
 */
export function plainScalar(
  page: ReadPage,
  start: number,
  end: number,
  ascii: boolean,
  recent: RecentStrings,
): unknown {
  const first = page.byteAt(start)
  switch (first) {
    case QUOTE: {
      if (ascii) return recent.take(page, start + 1, end - 1) ?? NOT_PLAIN
      const text = page.utf8(start + 1, end - 1)
      return text.includes('\\') ? NOT_PLAIN : text
    }
    case LETTER_T:
      return true
    case LETTER_F:
      return false
    case LETTER_N:
      return null
    default:
      return first === MINUS || end - start > MAX_DIGITS ? NOT_PLAIN : integerAt(page, start, end)
  }
}

function integerAt(page: ReadPage, start: number, end: number): number | typeof NOT_PLAIN {
  let integer = 0
  for (let at = start; at < end; ++at) {
    const digit = page.byteAt(at) - DIGIT_0
    if (digit < 0 || digit > 9) return NOT_PLAIN
    integer = integer * 10 + digit
  }
  return integer
}
