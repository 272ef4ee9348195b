// Cuts the text of a long payload into parts that are each quick to parse. Parsing cannot be interrupted, and a line of
// 1 MiB that consists of the smallest objects, or of ever new keys, takes a quarter of a second, or half of one if its
// names have escapes (base/json.ts). Must not know what the parts mean.

import { parseJson } from '../../base/json.js'
import { invalid } from './protocol-error.js'

/** Returns undefined while the caller may go on in this turn of the event loop, otherwise a promise to wait for. */
export type TakeTurn = () => Promise<void> | undefined

/**
 * A payload up to this length, in UTF-16 units, is parsed at once. Also the approximate length of the parts of a list.
 */
export const PART_UNITS = 1 << 14
/** Maximum number of keys, values and containers in one entry of a list. Incidents have the most, with 64 mappings. */
const MAX_ENTRY_VALUES = 256
/** Units scanned before the event loop may have its turn. */
const SCAN_UNITS = 1 << 15

/** Maximum number of entries in a list. A line has room for about 10,000 facts. */
export const MAX_ENTRIES = 10_000

/** The lists of a payload that may be long. */
export const LIST_NAMES = ['facts', 'incidents'] as const
export type ListName = (typeof LIST_NAMES)[number]

/** A payload in parts. */
export interface PayloadParts {
  /** The payload with its long lists left empty. */
  readonly rest: unknown
  /** The long lists, each as texts of JSON arrays that hold its entries in order. */
  readonly lists: ReadonlyMap<string, readonly string[]>
}

/**
 * Parses the short parts of a payload, and cuts its long lists.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE if it is longer than {@link PART_UNITS} outside of its lists, or an entry
 *   of them holds too many values
 */
export async function partsOf(text: string, takeTurn: TakeTurn): Promise<PayloadParts> {
  await takeTurn()
  if (text === '') return { rest: undefined, lists: new Map() }
  if (text.length <= PART_UNITS) return { rest: parseJson(text), lists: new Map() }
  return cutAsWritten(text) ?? (await new Scan(text).run(takeTurn))
}

/**
 * Parses a payload that has no long lists.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE if it is longer than {@link PART_UNITS}
 */
export async function shortPayloadOf(text: string, what: string, takeTurn: TakeTurn): Promise<unknown> {
  await takeTurn()
  if (text.length > PART_UNITS) {
    throw invalid(
      'bad-message',
      `the payload of a ${what} is ${text.length} units long; at most ${PART_UNITS} are allowed`,
    )
  }
  return text === '' ? undefined : parseJson(text)
}

/**
 * Calls `take` with the entries of a list, part by part, each in its turn of the event loop. An absent list and null
 * have no entries.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE if it is not a list; what `take` throws
 */
export async function eachPart(
  parts: PayloadParts,
  name: ListName,
  takeTurn: TakeTurn,
  take: (entries: readonly unknown[]) => void,
): Promise<void> {
  const value = (parts.rest as Partial<Record<ListName, unknown>>)[name] ?? []
  const texts = parts.lists.get(name)
  // A list that was cut is empty in the rest, unless the payload contains the list twice.
  if (!Array.isArray(value) || (texts !== undefined && value.length > 0)) {
    throw invalid('bad-page', `${name} of a sync_payload is not a list`)
  }
  if (texts === undefined) {
    take(value)
    return
  }
  for (const text of texts) {
    const turn = takeTurn()
    if (turn !== undefined) await turn
    take(entriesOf(text, name))
  }
}

function entriesOf(text: string, name: ListName): readonly unknown[] {
  try {
    return parseJson(text) as unknown[]
  } catch {
    // Valid JSON that was cut in the wrong place. That happens only with facts nested in facts.
    throw invalid('bad-page', `an entry of ${name} in a sync_payload holds a list of objects with ids`)
  }
}

const LIST_START = '"facts":[{"id":"'
const ENTRY_START = '},{"id":"'

/**
 * Cuts a payload that is written as Go and this package write it: without white space, `id` first in each fact. In
 * valid JSON the texts searched for cannot stand inside a string, as their quotes would end it. Returns undefined if
 * the payload is written in any other way.
 */
function cutAsWritten(text: string): PayloadParts | undefined {
  const found = text.indexOf(LIST_START)
  if (found < 0 || found > PART_UNITS) return undefined
  const begin = found + LIST_START.indexOf('{')
  const next = text.indexOf('}],"', begin)
  const end = (next < 0 ? text.lastIndexOf('}]') : next) + 1
  if (end <= begin || text.length - end > PART_UNITS) return undefined
  const parts: string[] = []
  for (let at = begin; at < end;) {
    const border = end - at <= PART_UNITS ? -1 : text.indexOf(ENTRY_START, at + PART_UNITS)
    const partEnd = border < 0 || border >= end ? end : border + 1
    if (partEnd - at > 2 * PART_UNITS) return undefined
    parts.push(`[${text.slice(at, partEnd)}]`)
    at = partEnd + 1
  }
  try {
    const rest = parseJson(text.slice(0, begin) + text.slice(end))
    return { rest, lists: new Map([['facts', parts]]) }
  } catch {
    return undefined
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** One pass over a payload that is valid JSON, however it is written. */
class Scan {
  readonly #text: string
  /** The text outside of the lists. */
  #rest = ''
  #restBegin = 0
  readonly #lists = new Map<string, string[]>()
  /** The parts of the list that the scan is in. */
  #list: string[] | undefined
  #partBegin = 0
  #depth = 0
  /** The last string at the top level, and whether a colon has followed it. */
  #key = ''
  #afterColon = false
  /** Values in the entry that the scan is in. */
  #values = 0
  #entries = 0

  constructor(text: string) {
    this.#text = text
  }

  async run(takeTurn: TakeTurn): Promise<PayloadParts> {
    let turnEnds = SCAN_UNITS
    for (let at = 0; at < this.#text.length;) {
      at = this.#step(at)
      if (at < turnEnds) continue
      turnEnds = at + SCAN_UNITS
      await takeTurn()
    }
    this.#keepRest(this.#text.length)
    return { rest: parseJson(this.#rest), lists: this.#lists }
  }

  /** Processes the token at `at`. Returns the position of the next one. */
  #step(at: number): number {
    switch (this.#text.charCodeAt(at)) {
      case QUOTE:
        return this.#string(at)
      case OPEN_LIST:
        if (++this.#depth === 2 && this.#afterColon && isListName(this.#key)) this.#beginList(at)
        this.#count()
        break
      case OPEN_OBJECT:
        ++this.#depth
        this.#count()
        break
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        if (--this.#depth === 1 && this.#list !== undefined) this.#endList(at)
        break
      case COMMA:
        this.#comma(at)
        break
      case COLON:
        if (this.#depth === 1) this.#afterColon = true
        break
      default: // part of a number or a name, or white space
    }
    return at + 1
  }

  #string(at: number): number {
    const end = this.#endOfString(at)
    if (this.#depth === 1 && !this.#afterColon) {
      this.#key = end - at > 2 * PART_UNITS ? '' : (parseJson(this.#text.slice(at, end)) as string)
    }
    this.#count()
    return end
  }

  #endOfString(at: number): number {
    for (let end = at; ;) {
      end = this.#text.indexOf('"', end + 1)
      let slashes = 0
      while (this.#text.charCodeAt(end - 1 - slashes) === BACKSLASH) ++slashes
      if (slashes % 2 === 0) return end + 1
    }
  }

  #comma(at: number): void {
    if (this.#depth === 1) this.#afterColon = false
    if (this.#list === undefined || this.#depth > 2) {
      this.#count()
      return
    }
    this.#values = 0
    if (++this.#entries >= MAX_ENTRIES) {
      throw invalid(
        this.#key === 'facts' ? 'too-many-facts' : 'bad-page',
        `a message carries more than ${MAX_ENTRIES} ${this.#key}`,
      )
    }
    if (at - this.#partBegin >= PART_UNITS) this.#endPart(at)
  }

  #count(): void {
    if (++this.#values > MAX_ENTRY_VALUES && this.#list !== undefined) {
      throw invalid('bad-page', `an entry of ${this.#key} holds more than ${MAX_ENTRY_VALUES} values`)
    }
  }

  #beginList(at: number): void {
    if (this.#lists.has(this.#key)) throw invalid('bad-page', `the payload has ${this.#key} twice`)
    this.#keepRest(at + 1)
    this.#list = []
    this.#lists.set(this.#key, this.#list)
    this.#partBegin = at + 1
    this.#values = 0
    this.#entries = 0
  }

  #endPart(at: number): void {
    this.#list?.push(`[${this.#text.slice(this.#partBegin, at)}]`)
    this.#partBegin = at + 1
  }

  #endList(at: number): void {
    this.#endPart(at)
    this.#list = undefined
    this.#restBegin = at
  }

  #keepRest(end: number): void {
    this.#rest += this.#text.slice(this.#restBegin, end)
    if (this.#rest.length <= PART_UNITS) return
    throw invalid(
      'bad-page',
      `the payload is longer than ${PART_UNITS} units outside of its ${LIST_NAMES.join(' and ')}`,
    )
  }
}

function isListName(key: string): key is ListName {
  return (LIST_NAMES as readonly string[]).includes(key)
}
