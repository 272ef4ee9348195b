// Strings that were cut out of lines a short while ago, found again by their bytes. Host names and channels repeat from
// event to event, and comparing a few bytes takes a fraction of the time of a new string. Must not know messages.

import type { ReadPage } from './page.js'

const SLOTS = 64
/** Longer strings rarely repeat. */
const MAX_LENGTH = 64
const BACKSLASH = '\\'

/** At most 64 strings of at most 64 characters. A new one replaces the one in its slot. */
export class RecentStrings {
  #slots: (string | undefined)[] | undefined

  /**
   * Returns the text of [start, end) on a page, which must be ASCII there, as a string that keeps nothing else alive;
   * undefined if it contains a backslash.
   */
  take(page: ReadPage, start: number, end: number): string | undefined {
    const length = end - start
    if (length === 0) return ''
    if (length > MAX_LENGTH) return withoutEscapes(page.asciiCopy(start, end))
    const slots = (this.#slots ??= new Array<string | undefined>(SLOTS).fill(undefined))
    const slot = slotOf(length, page.byteAt(start + (length >>> 1)), page.byteAt(end - 1))
    const recent = slots[slot]
    if (recent?.length === length && page.equalsAscii(start, recent)) return recent
    const text = withoutEscapes(page.asciiCopy(start, end))
    if (text !== undefined) slots[slot] = text
    return text
  }
}

/** The bytes in the middle and at the end differ most: names often have the same beginning. */
function slotOf(length: number, middle: number, last: number): number {
  return (length + 3 * middle + 7 * last) % SLOTS
}

function withoutEscapes(text: string): string | undefined {
  return text.includes(BACKSLASH) ? undefined : text
}
