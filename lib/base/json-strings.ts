// Finds the strings of a JSON text, in linear time.

const BACKSLASH = '\\'

/** The strings of a text that is JSON, from its beginning on. In other texts, what stands between quotation marks. */
export class JsonStrings {
  readonly #text: string
  // Each quotation mark and backslash is searched for once, however many strings there are and however often `next`
  // is called.
  #quote: number
  #escape: number
  /** Where the opening quotation mark of the last string stands. */
  begin = 0
  /** Past the closing quotation mark of the last string; past the end of the text if it is not closed. */
  end = 0
  /** Whether the last string has an escape. */
  escaped = false

  constructor(text: string) {
    this.#text = text
    this.#quote = this.#find('"', 0)
    this.#escape = this.#find(BACKSLASH, 0)
  }

  /** Goes on to the next string that begins before `limit`. Returns whether there is one. */
  next(limit = this.#text.length): boolean {
    if (this.#quote >= limit) return false
    this.begin = this.#quote
    this.escaped = false
    this.end = this.#closeOf(this.begin) + 1
    this.#quote = this.#find('"', this.end)
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
