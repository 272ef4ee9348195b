// The lines that came in one read, in pages. Messages of one page share its text. What comes in small reads is text at
// once; of a large one the pages share its bytes, and each becomes text when it is first asked for. Must not know
// messages.

/**
 * A string cut from a text keeps all of it alive: a page at most, or a line that is longer. Much smaller, and cutting the
 * texts would cost more than it saves.
 */
export const PAGE_BYTES = 4096

/** Lines of a read, with their endings. Positions count as the records of that read have them, less an origin. */
export class ReadPage {
  readonly #start: number
  readonly #end: number
  /** Of the whole read. Never written to again. */
  #bytes: Buffer | undefined
  /** What stands at [start, end). */
  #text: string | undefined

  private constructor(start: number, end: number, bytes: Buffer | undefined, text: string | undefined) {
    this.#start = start
    this.#end = end
    this.#bytes = bytes
    this.#text = text
  }

  /** The lines at [start, end) of the bytes of a read, which must not be written to again. */
  static ofBytes(bytes: Buffer, start: number, end: number): ReadPage {
    return new ReadPage(start, end, bytes, undefined)
  }

  /** Lines that are ASCII, as text. */
  static ofText(text: string): ReadPage {
    return new ReadPage(0, text.length, undefined, text)
  }

  /** The page's lines are within. */
  get bytes(): Buffer {
    return (this.#bytes ??= Buffer.from(this.#text as string, 'latin1'))
  }

  /** The text of [start, end) of the read, all of it on this page, which must be ASCII there. */
  ascii(start: number, end: number): string {
    const text = (this.#text ??= this.bytes.toString('latin1', this.#start, this.#end))
    return text.slice(start - this.#start, end - this.#start)
  }

  utf8(start: number, end: number): string {
    return this.bytes.toString('utf8', start, end)
  }
}
