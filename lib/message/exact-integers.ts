// Parses JSON whose integers may be beyond 2^53, where a number is not exact: these become BigInts. Slower than
// JSON.parse, so it is meant for the few texts that have such an integer. (JSON.parse shows the source of a number to
// its reviver only in Node 21 and later.)

import { parseJson } from '../base/json.js'
import { JsonStrings } from '../base/json-strings.js'
import { randomHex } from '../base/crypto.js'
import { hidePrototypeKey } from './payload.js'

/**
 * An integer of 16 digits or more, if it does not stand in a string: no shorter one is beyond 2^53. Not the digits of a
 * fraction or an exponent. At most 1000 digits: the time that a BigInt takes to make grows faster than their number,
 * and the peer chooses it.
 */
const LONG_INTEGER = /(?<![\d.eE+-])-?\d{16,1000}(?![\d.eE])/g

/** Marks an integer that was made a string: it stands in front of the digits. Random, so that no peer can guess it. */
let mark: string | undefined

function newMark(): string {
  return `bigint ${randomHex(16)} `
}

/** Parses a valid JSON text: integers beyond 2^53 become BigInts, and a key `__proto__` stays data. */
export function parseExact(text: string): unknown {
  mark ??= newMark()
  const strings = new JsonStrings(text)
  let marked = ''
  let copied = 0
  for (const { 0: digits, index } of text.matchAll(LONG_INTEGER)) {
    if (isInString(strings, index) || Number.isSafeInteger(Number(digits))) continue
    marked += `${text.slice(copied, index)}"${mark}${digits}"`
    copied = index + digits.length
  }
  return parseJson(marked + text.slice(copied), revive)
}

/** Returns the JSON text of a value that {@link parseExact} may have returned; undefined for undefined. */
export function stringifyExact(value: unknown): string | undefined {
  let found = false
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== 'bigint') return part
    found = true
    return `${(mark ??= newMark())}${part}`
  }) as string | undefined
  return found ? text?.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1') : text
}

/** Whether a position lies within a string. Positions must be queried in rising order. */
function isInString(strings: JsonStrings, index: number): boolean {
  while (strings.end <= index && strings.next(index));
  return index < strings.end
}

function revive(value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith(mark as string)) return BigInt(value.slice(mark?.length))
  return hidePrototypeKey(value)
}
