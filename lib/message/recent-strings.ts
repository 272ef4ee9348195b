// Strings that were cut out of lines a short while ago, found again by their bytes. Host names and channels repeat from
// event to event, and comparing a few bytes takes a fraction of the time of a new string. Must not know messages.

const SLOTS = 64
/** Longer strings rarely repeat. */
const MAX_LENGTH = 64
const BACKSLASH = '\\'

/** Where the strings stand: a `ReadPage`. */
interface Text {
  byteAt(at: number): number
  equalsAscii(start: number, ascii: string): boolean
  asciiCopy(start: number, end: number): string
}

/** At most 64 strings of at most 64 characters. A new one replaces the one in its slot. */
export class RecentStrings {
  #slots: (string | undefined)[] | undefined

  /**
   * Returns [start, end) of a text, which must be ASCII there, as a string that keeps nothing else alive; undefined if
   * it contains a backslash.
   */
  take(text: Text, start: number, end: number): string | undefined {
    const length = end - start
    if (length === 0) return ''
    if (length > MAX_LENGTH) return withoutEscapes(text.asciiCopy(start, end))
    const slots = (this.#slots ??= new Array<string | undefined>(SLOTS).fill(undefined))
    const slot = slotOf(length, text.byteAt(start + (length >>> 1)), text.byteAt(end - 1))
    const recent = slots[slot]
    if (recent?.length === length && text.equalsAscii(start, recent)) return recent
    const taken = withoutEscapes(text.asciiCopy(start, end))
    if (taken !== undefined) slots[slot] = taken
    return taken
  }
}

/** The bytes in the middle and at the end differ most: names often have the same beginning. */
function slotOf(length: number, middle: number, last: number): number {
  return (length + 3 * middle + 7 * last) % SLOTS
}

function withoutEscapes(text: string): string | undefined {
  return text.includes(BACKSLASH) ? undefined : text
}
