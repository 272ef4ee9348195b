// The bytes of lines that came in one read, in pages of which each becomes text when it is first asked for. Messages of
// one page share its text; those of one read share its bytes. Must not know messages.

/**
 * A string cut from a text keeps all of it alive: a page at most, or a line that is longer. Much smaller, and cutting the
 * texts would cost more than it saves.
 */
export const PAGE_BYTES = 4096

/** Lines of a read: the bytes of [start, end). */
export class ReadPage {
  /** Of the whole read. Never written to again. */
  readonly bytes: Buffer
  readonly #start: number
  readonly #end: number
  #text: string | undefined

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes
    this.#start = start
    this.#end = end
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
