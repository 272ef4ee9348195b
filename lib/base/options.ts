// Checks options and arguments: one table per kind of options, which names every key once with its check.
//
//   const TABLE: OptionTable<SenderOptions> = { timeoutMs: milliseconds, maxPending: wholeNumber(1, 1_000_000) }
//   const { timeoutMs, maxPending } = checkOptions('Sender', options, TABLE)
//
// The compiler refuses a table that lacks a key. An unknown key is a TypeError that names the nearest one; a key with
// the value undefined counts as absent. The result is a copy, read once: changing the original later has no effect.

import { quoteText } from './quote.js'

/**
 * Throws a TypeError or RangeError if a value is not allowed. `name` identifies the value in the error: `listen:
 * backlog`.
 */
export type OptionCheck = (value: unknown, name: string) => void

/** A check for every key of some options. */
export type OptionTable<Options> = { readonly [Key in keyof Options]-?: OptionCheck }

/** Options without the keys that are undefined. */
export type Checked<Options> = { readonly [Key in keyof Options]: Exclude<Options[Key], undefined> }

/**
 * Checks options against their table and returns a copy of them.
 *
 * @param what the function or class that the options belong to, for the errors
 * @throws TypeError for an unknown key, or a value of the wrong kind; RangeError for a value that is out of range
 */
export function checkOptions<Options extends object>(
  what: string,
  options: Options | undefined,
  table: OptionTable<Options>,
): Checked<Options> {
  const checked: Record<string, unknown> = {}
  if (options === undefined) return checked as Checked<Options>
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${what} takes an object of options, not ${describeValue(options)}`)
  }
  // Inherited keys count too: options made from defaults by Object.create must not be ignored in silence.
  for (const key in options) {
    const value: unknown = options[key]
    const check = Object.hasOwn(table, key) ? (table as Record<string, OptionCheck>)[key] : undefined
    if (check === undefined) throw new TypeError(`${what} ${unknownKey(key, Object.keys(table))}`)
    if (value === undefined) continue
    check(value, `${what}: ${key}`)
    checked[key] = value
  }
  return checked as Checked<Options>
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = nearestOf(key, known)
  const hint = nearest === undefined ? `it takes ${known.join(', ')}` : `did you mean ${nearest}?`
  return `has no option ${quoteText(key, 40)}; ${hint}`
}

/** Returns the entry of `known` that differs in the fewest letters, if it is close enough to be a typing error. */
export function nearestOf(key: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let least = Math.max(2, Math.ceil(key.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase())
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest
}

/** Letters to insert, remove or replace to make one word of the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 0; i < from.length; ++i) {
    const next = [i + 1]
    for (let j = 0; j < to.length; ++j) {
      const replaced = (row[j] as number) + (from[i] === to[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[to.length] as number
}

/** Describes a value in a few words, for error texts: `"text"`, `12`, `an array`, `a Socket`. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoteText(value, 40)
    case 'function':
      return 'a function'
    case 'object': {
      if (value === null) return 'null'
      if (Array.isArray(value)) return 'an array'
      const name = (value.constructor as { name?: unknown } | undefined)?.name
      if (typeof name !== 'string' || name === '' || name === 'Object') return 'a plain object'
      return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`
    }
    default:
      return String(value)
  }
}

/** A whole number within bounds. */
export function wholeNumber(least: number, most: number): OptionCheck {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`
  return (value, name) => {
    if (typeof value !== 'number') throw wrongKind(name, `a whole number ${range}`, value)
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`${name} must be a whole number ${range}, not ${value}`)
    }
  }
}

/** A whole number from `least`, or Infinity for no limit. */
export function limit(least: number): OptionCheck {
  const check = wholeNumber(least, Number.MAX_SAFE_INTEGER)
  return (value, name) => {
    if (value === Infinity) return
    if (typeof value !== 'number') throw wrongKind(name, `a whole number from ${least}, or Infinity`, value)
    check(value, name)
  }
}

/** A positive number of milliseconds, or Infinity. */
export const milliseconds: OptionCheck = (value, name) => {
  if (typeof value !== 'number')
    throw wrongKind(name, 'a positive number of milliseconds, or Infinity', value)
  if (!(value > 0)) {
    throw new RangeError(`${name} must be a positive number of milliseconds, or Infinity, not ${value}`)
  }
}

/** A number of milliseconds that may be 0, or Infinity. */
export const millisecondsOrZero: OptionCheck = (value, name) => {
  if (value !== 0) milliseconds(value, name)
}

/** True or false. */
export const flag: OptionCheck = (value, name) => {
  if (typeof value !== 'boolean') throw wrongKind(name, 'true or false', value)
}

/** Text that is not empty and contains no NUL. */
export const text: OptionCheck = (value, name) => {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw wrongKind(name, 'a string that is not empty and contains no NUL', value)
  }
}

/** A function. */
export const callback: OptionCheck = (value, name) => {
  if (typeof value !== 'function') throw wrongKind(name, 'a function', value)
}

/** An AbortSignal, of any realm. */
export const signal: OptionCheck = (value, name) => {
  const { aborted, addEventListener } = Object(value) as Partial<AbortSignal>
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function') {
    throw wrongKind(name, 'an AbortSignal', value)
  }
}

/** One of a few values. */
export function oneOf(...allowed: readonly (string | number | boolean)[]): OptionCheck {
  return (value, name) => {
    if ((allowed as readonly unknown[]).includes(value)) return
    throw wrongKind(name, `one of ${allowed.map((entry) => JSON.stringify(entry)).join(', ')}`, value)
  }
}

/** Any value. For options that are checked elsewhere. */
export const anything: OptionCheck = () => undefined

/** Returns the TypeError for a value of the wrong kind. */
export function wrongKind(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, not ${describeValue(value)}`)
}
