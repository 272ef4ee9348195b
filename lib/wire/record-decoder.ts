// Turns the records of checked lines into messages, and the records of refused lines into errors on demand. Cuts the
// lines of a read into pages, whose messages share their text.

import { parseJson } from '../base/json.js'
import { IpcError } from '../base/errors.js'
import { INVALID_REASONS, MESSAGE_STATE, RecordFlag, RecordWord, TOO_LARGE_STATE } from '../binding/abi.js'
import { FieldTable } from '../message/fields.js'
import { received, type SOCMessage } from '../message/message.js'
import { PAGE_BYTES, PageFields, ReadPage } from '../message/page.js'
import { MessageFlag, sizeOfLine } from '../message/parts.js'
import { TYPE_NAMES } from '../message/type.js'
import type { PeerIdentity } from '../peer/peer.js'
import { PLAIN_READING, type LineReading } from './line-reading.js'
import type { ReadWindow } from './read-window.js'

/** Receives decoded lines in their order. One object serves all owners of a kind. */
export interface LineConsumer<Owner> {
  /** Called with consecutive messages. */
  readonly onRun: (owner: Owner, messages: SOCMessage[]) => void
  /** Called for `count` consecutive refused lines. Call {@link RefusedLines.keep} here to keep them. */
  readonly onRefused: (owner: Owner, window: ReadWindow, at: number, count: number) => void
}

/**
 * Reads up to this size are converted to text at once: that costs less than copying their bytes and converting them
 * later.
 */
const SMALL_READ_BYTES = 1 << 13

/** Hands the `count` lines of the window's last step to `owner`, cut into runs. The stream was opened for `reading`. */
export function decodeLines<Owner>(
  window: ReadWindow,
  count: number,
  peer: PeerIdentity,
  owner: Owner,
  consumer: LineConsumer<Owner>,
  reading: LineReading = PLAIN_READING,
): void {
  const { records } = window
  const endAt = count * RecordWord.count
  const pages = new PageCutter(window, endAt, reading)
  for (let at = 0; at < endAt;) {
    if (records[at + RecordWord.state] === MESSAGE_STATE) {
      const run: SOCMessage[] = []
      do {
        run.push(pages.messageAt(at, peer))
        at += RecordWord.count
      } while (at < endAt && records[at + RecordWord.state] === MESSAGE_STATE)
      consumer.onRun(owner, run)
    } else {
      const begin = at
      do at += RecordWord.count
      while (at < endAt && records[at + RecordWord.state] !== MESSAGE_STATE)
      consumer.onRefused(owner, window, begin, (at - begin) / RecordWord.count)
    }
  }
}

/** Whether a byte order mark stood in front of the first line of the window's last step. */
export function followsByteOrderMark({ records }: ReadWindow): boolean {
  return ((records[RecordWord.flags] as number) & RecordFlag.afterMark) !== 0
}

/** Makes messages of the lines of one step, which it cuts into pages. */
export class PageCutter {
  readonly #window: ReadWindow
  readonly #endAt: number
  readonly #begin: number
  readonly #size: number
  readonly #keptFlags: number
  /** The positions of the fields in the lines, if the receiver requested any. */
  readonly #table: FieldTable | undefined
  /** The bytes of all lines of the step, once a page needs them. */
  #bytes: Buffer | undefined
  #page: ReadPage | undefined
  #pageEnd = 0
  /** Position in the window at which the page's positions begin. */
  #origin = 0

  constructor(window: ReadWindow, endAt: number, { fields, keptFlags }: LineReading = PLAIN_READING) {
    this.#window = window
    this.#endAt = endAt
    this.#keptFlags = keptFlags
    this.#table =
      fields === undefined
        ? undefined
        : new FieldTable(fields, window.keepFieldRows(endAt / RecordWord.count, fields.rowWords))
    this.#begin = window.linesBegin
    this.#size = window.linesEnd - this.#begin
  }

  messageAt(at: number, peer: PeerIdentity): SOCMessage {
    const { records } = this.#window
    const page =
      this.#page === undefined || (records[at + RecordWord.lineEnd] as number) >= this.#pageEnd
        ? this.#openPage(at)
        : this.#page
    return toMessage(this.#window, at, page, this.#origin, this.#keptFlags, peer)
  }

  #openPage(at: number): ReadPage {
    const window = this.#window
    const begin = window.records[at + RecordWord.lineStart] as number
    const end = pageEndOf(window.records, at, this.#endAt)
    this.#pageEnd = end
    if (this.#size <= SMALL_READ_BYTES && isAscii(window.records, at)) {
      this.#origin = begin
      return (this.#page = ReadPage.ofText(window.keepText(begin, end), this.#fieldsFrom(begin)))
    }
    this.#bytes ??= window.keepBytes(this.#begin, this.#size)
    this.#origin = this.#bytes === window.bytes ? 0 : this.#begin
    const origin = this.#origin
    const fields = this.#fieldsFrom(origin)
    return (this.#page = ReadPage.ofBytes(this.#bytes, begin - origin, end - origin, fields))
  }

  #fieldsFrom(origin: number): PageFields | undefined {
    return this.#table === undefined ? undefined : new PageFields(this.#table, origin)
  }
}

function isAscii(records: Int32Array, at: number): boolean {
  return ((records[at + RecordWord.flags] as number) & RecordFlag.ascii) !== 0
}

/**
 * Returns the end of the page that begins with the record at `at`, just after a line ending. Either all of its lines
 * are ASCII, or none is.
 */
function pageEndOf(records: Int32Array, at: number, endAt: number): number {
  const begin = records[at + RecordWord.lineStart] as number
  const ascii = isAscii(records, at)
  let end = records[at + RecordWord.lineEnd] as number
  for (let next = at + RecordWord.count; next < endAt; next += RecordWord.count) {
    const lineEnd = records[next + RecordWord.lineEnd] as number
    if (lineEnd - begin >= PAGE_BYTES || records[next + RecordWord.state] !== MESSAGE_STATE) break
    if (isAscii(records, next) !== ascii) break
    end = lineEnd
  }
  return end + 1
}

function toMessage(
  window: ReadWindow,
  at: number,
  page: ReadPage,
  origin: number,
  keptFlags: number,
  peer: PeerIdentity,
): SOCMessage {
  const { records } = window
  const flags = records[at + RecordWord.flags] as number
  const typeCode = records[at + RecordWord.typeCode] as number
  const idStart = records[at + RecordWord.idStart] as number
  const idEnd = records[at + RecordWord.idEnd] as number
  const payloadStart = records[at + RecordWord.payloadStart] as number
  const lineStart = records[at + RecordWord.lineStart] as number
  return received(
    typeCode !== 0 ? (TYPE_NAMES[typeCode] as string) : typeAt(window, at, flags),
    idStart === idEnd
      ? ''
      : (flags & RecordFlag.idEscaped) !== 0
        ? cut(window, idStart, idEnd, true)
        : undefined,
    (records[at + RecordWord.timestampHigh] as number) * 0x1_0000_0000 +
      ((records[at + RecordWord.timestampLow] as number) >>> 0),
    page,
    lineStart - origin,
    idStart - origin,
    idEnd - origin,
    payloadStart - origin,
    (records[at + RecordWord.payloadEnd] as number) - origin,
    (flags & keptFlags) | MessageFlag.checked,
    peer,
    sizeOfLine((records[at + RecordWord.lineEnd] as number) - lineStart, flags),
  )
}

function typeAt(window: ReadWindow, at: number, flags: number): string {
  return cut(
    window,
    window.records[at + RecordWord.typeStart] as number,
    window.records[at + RecordWord.typeEnd] as number,
    (flags & RecordFlag.typeEscaped) !== 0,
  )
}

/** A string of the envelope, from within its quotes. */
function cut(window: ReadWindow, start: number, end: number, escaped: boolean): string {
  const text = window.bytes.toString('utf8', start, end)
  return escaped ? (parseJson(`"${text}"`) as string) : text
}

/** First bytes of a refused line that its error shows. */
const SAMPLE_BYTES = 64
/** Words of a record that {@link RefusedLines} keeps. */
const KEPT_WORDS = 3

/**
 * Consecutive refused lines. Their errors are made one by one on demand, because an error takes a hundred times the
 * memory.
 */
export class RefusedLines {
  readonly #name: string
  readonly #samples: Buffer
  /** For each line: its state, the offset of what is wrong, and where its sample ends. */
  readonly #words: Int32Array
  #next = 0
  #error: IpcError | undefined

  private constructor(name: string, samples: Buffer, words: Int32Array) {
    this.#name = name
    this.#samples = samples
    this.#words = words
  }

  /** Keeps the `count` refused lines whose records begin at `at`, for a receiver of this name. */
  static keep(window: ReadWindow, at: number, count: number, name: string): RefusedLines {
    const { bytes, records } = window
    const words = new Int32Array(count * KEPT_WORDS)
    const samples = Buffer.allocUnsafeSlow(count * SAMPLE_BYTES)
    let size = 0
    for (let i = 0, from = at; i < count; ++i, from += RecordWord.count) {
      const start = records[from + RecordWord.lineStart] as number
      const end = Math.min(records[from + RecordWord.lineEnd] as number, start + SAMPLE_BYTES)
      size += bytes.copy(samples, size, start, end)
      words[i * KEPT_WORDS] = records[from + RecordWord.state] as number
      words[i * KEPT_WORDS + 1] = records[from + RecordWord.errorOffset] as number
      words[i * KEPT_WORDS + 2] = size
    }
    // Not from the pool: a sample of a few bytes would keep a block of it alive.
    const exact = Buffer.allocUnsafeSlow(size)
    samples.copy(exact, 0, 0, size)
    return new RefusedLines(name, exact, words)
  }

  /** Number of lines that were not skipped. */
  get length(): number {
    return this.#words.length / KEPT_WORDS - this.#next
  }

  /** The error of the first line. */
  get error(): IpcError {
    return (this.#error ??= this.#makeError(this.#next))
  }

  /** The errors of all lines. */
  *errors(): Generator<IpcError, undefined> {
    for (let i = this.#next; i < this.#next + this.length; ++i) yield this.#makeError(i)
  }

  /** Skips the first line. */
  shift(): void {
    ++this.#next
    this.#error = undefined
  }

  #makeError(line: number): IpcError {
    const at = line * KEPT_WORDS
    const state = this.#words[at] as number
    const offset = this.#words[at + 1] as number
    const start = line === 0 ? 0 : (this.#words[at - 1] as number)
    const sample = escapeSample(this.#samples.toString('latin1', start, this.#words[at + 2]))
    const [reason, sentence] = INVALID_REASONS[state] ?? ['not-json', 'it is invalid']
    const code = state === TOO_LARGE_STATE ? 'ERR_IPC_MESSAGE_TOO_LARGE' : 'ERR_IPC_INVALID_MESSAGE'
    const text = `${this.#name}: invalid line: ${sentence} (at byte ${offset} of ${sample})`
    return withoutStack(() => new IpcError(code, text, { reason, offset, sample }))
  }
}

/**
 * Makes an error without a stack. It would show where this package reads lines, while the fault is the peer's; and it
 * takes several times as long as the error itself, or much longer if the program has raised `Error.stackTraceLimit`.
 */
function withoutStack(make: () => IpcError): IpcError {
  const { stackTraceLimit } = Error
  // With --frozen-intrinsics it cannot be written.
  if (!Reflect.set(Error, 'stackTraceLimit', 0)) return make()
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** Returns bytes as a quoted text that is safe to log: the peer must not control what a log or a terminal shows. */
function escapeSample(latin1: string): string {
  return JSON.stringify(latin1).replace(/[^\x20-\x7e]/g, escapeUnit)
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
