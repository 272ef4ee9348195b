// The lines of one read, in pages; the messages of a page share its text. A small read is decoded to text at once. The
// pages of a large read share its bytes, and each is decoded when its text is first needed. Must not know messages.

import type { FieldSet, FieldTable } from './fields.js'
import { detached } from './payload.js'

/**
 * A string sliced from a page's text keeps the whole text alive: at most a page, or one longer line. If pages were much
 * smaller, making their texts would cost more than it saves.
 */
export const PAGE_BYTES = 4096

/** The positions of the fields in the lines of a page. */
export class PageFields {
  readonly set: FieldSet
  readonly #table: FieldTable
  /** Position in the read window at which the page's positions begin. */
  readonly #origin: number

  constructor(table: FieldTable, origin: number) {
    this.set = table.set
    this.#table = table
    this.#origin = origin
  }

  /** Returns the row for the line that begins at a position on the page. */
  rowOf(lineStart: number): number {
    return this.#table.rowOf(lineStart + this.#origin)
  }

  /** Returns where the value of a field begins on the page; equal to its end if the field is missing. */
  startOf(row: number, field: number): number {
    return this.#table.startOf(row, field) - this.#origin
  }

  endOf(row: number, field: number): number {
    return this.#table.endOf(row, field) - this.#origin
  }
}

/** Lines of a read, with their endings. Positions are those in the records of that read, less an origin. */
export class ReadPage {
  readonly #start: number
  readonly #end: number
  /** The bytes of the whole read. Never modified again. */
  #bytes: Buffer | undefined
  /** The text of [start, end), once it is needed. */
  #text: string | undefined
  /** Undefined if the receiver requested no fields. */
  readonly fields: PageFields | undefined

  private constructor(
    start: number,
    end: number,
    bytes: Buffer | undefined,
    text: string | undefined,
    fields: PageFields | undefined,
  ) {
    this.#start = start
    this.#end = end
    this.#bytes = bytes
    this.#text = text
    this.fields = fields
  }

  /** The lines at [start, end) of the bytes of a read, which must not be modified afterwards. */
  static ofBytes(bytes: Buffer, start: number, end: number, fields?: PageFields): ReadPage {
    return new ReadPage(start, end, bytes, undefined, fields)
  }

  /** Lines as text, which must be ASCII. */
  static ofText(text: string, fields?: PageFields): ReadPage {
    return new ReadPage(0, text.length, undefined, text, fields)
  }

  /** The bytes that the positions refer to; they contain the page's lines. */
  get bytes(): Buffer {
    return (this.#bytes ??= Buffer.from(this.#text as string, 'latin1'))
  }

  /** Memory that this page keeps alive: that of the whole read, unless it was decoded at once. */
  get keptBytes(): number {
    return this.#bytes === undefined ? (this.#text as string).length : this.#bytes.buffer.byteLength
  }

  /** The text of [start, end), which must lie on this page and be ASCII. */
  ascii(start: number, end: number): string {
    const text = (this.#text ??= this.bytes.toString('latin1', this.#start, this.#end))
    return text.slice(start - this.#start, end - this.#start)
  }

  /** Returns the same text as a copy that keeps nothing else alive. */
  asciiCopy(start: number, end: number): string {
    if (this.#text === undefined) return this.bytes.toString('latin1', start, end)
    return detached(this.#text.slice(start - this.#start, end - this.#start))
  }

  /** Whether the bytes from `start` on, which must lie on this page, are those of an ASCII string. */
  equalsAscii(start: number, ascii: string): boolean {
    const bytes = this.#bytes
    if (bytes === undefined) return (this.#text as string).startsWith(ascii, start - this.#start)
    for (let i = 0; i < ascii.length; ++i) {
      if (bytes[start + i] !== ascii.charCodeAt(i)) return false
    }
    return true
  }

  /** The byte at a position that lies on this page. */
  byteAt(at: number): number {
    return this.#bytes === undefined
      ? (this.#text as string).charCodeAt(at - this.#start)
      : (this.#bytes[at] as number)
  }

  utf8(start: number, end: number): string {
    return this.bytes.toString('utf8', start, end)
  }
}
