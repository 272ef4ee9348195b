// Finds the strings of a JSON text, in time in proportion to it.

const BACKSLASH = '\\'

/** The strings of a text that is JSON, from its beginning on. In other texts, what stands between quotation marks. */
export class JsonStrings {
  readonly #text: string
  /** The next backslash; the text is searched once for each, however many strings there are. */
  #escape: number
  /** Where the opening quotation mark of the last string stands. */
  begin = 0
  /** Past the closing quotation mark of the last string; past the end of the text if it is not closed. */
  end = 0
  /** Whether the last string has an escape. */
  escaped = false

  constructor(text: string) {
    this.#text = text
    this.#escape = this.#find(BACKSLASH, 0)
  }

  /** Goes on to the next string that begins before `limit`. Returns whether there is one. */
  next(limit = this.#text.length): boolean {
    const begin = this.#find('"', this.end)
    if (begin >= limit) return false
    this.begin = begin
    this.escaped = false
    this.end = this.#closeOf(begin) + 1
    return true
  }

  #closeOf(quote: number): number {
    let close = this.#find('"', quote + 1)
    while (this.#escape < close) {
      this.escaped = true
      const past = this.#escape + 2
      this.#escape = this.#find(BACKSLASH, past)
      // The quote was escaped.
      if (past > close) close = this.#find('"', past)
    }
    return close
  }

  #find(character: string, from: number): number {
    const found = this.#text.indexOf(character, from)
    return found === -1 ? this.#text.length : found
  }
}
