// Parses JSON, with the names that the text has. JSON.parse of V8 12.8 and later (Node 23, 24, 26) may mistake a name
// with an escape for a name from a text parsed earlier (nodejs/node#63785). It compares too few characters of the
// source: only as many as the decoded name has. So `"\n"` can be read as `\`, and a peer can hide a name from a check.
// Therefore this module replaces the names before it parses such a text. The lint rule no-restricted-properties keeps
// bare JSON.parse out of lib/.

import { JsonStrings } from './json-strings.js'

const [major = 0, minor = 0] = (process.versions.v8 as string | undefined)?.split('.').map(Number) ?? []
const CONFUSES_NAMES = major > 12 || (major === 12 && minor >= 8)

/** Takes each value that is parsed, the innermost first, and returns what stands in its place. */
export type Revive = (value: unknown) => unknown

/** JSON.parse with the names that the text has. @throws SyntaxError; RangeError for values nested thousands deep */
export function parseJson(text: string, revive?: Revive): unknown {
  if (CONFUSES_NAMES && hasEscapedName(text)) return parseEscapedNames(text, revive)
  return JSON.parse(text, revive === undefined ? undefined : (_name, value) => revive(value))
}

/** JSON.parse, for a text in which no name has an escape. @throws SyntaxError */
export const parsePlainNames: (text: string) => unknown = JSON.parse

/** Whether a JSON text has an object with a name that has an escape. */
export function hasEscapedName(text: string): boolean {
  if (!text.includes('\\')) return false
  const strings = new JsonStrings(text)
  while (strings.next()) {
    if (strings.escaped && isName(text, strings)) return true
  }
  return false
}

/**
 * JSON.parse that lets V8 see no name of the text: each gets a number, however it is written, and each object is made
 * anew with its names. Takes several times as long as JSON.parse.
 *
 * @throws SyntaxError; RangeError for values nested thousands deep
 */
export function parseEscapedNames(text: string, revive: Revive = (value) => value): unknown {
  try {
    const { numbered, names } = numberNames(text)
    return JSON.parse(numbered, (_name, value: unknown) =>
      revive(isObject(value) ? named(value, names) : value),
    )
  } catch (error) {
    // If the text is not JSON, this throws an error that describes it, and not the one with numbers.
    JSON.parse(text)
    throw error
  }
}

function numberNames(text: string): { readonly numbered: string; readonly names: readonly string[] } {
  const numbers = new Map<string, number>()
  const spellings = new Map<string, number>()
  const strings = new JsonStrings(text)
  let numbered = ''
  let copied = 0
  while (strings.next()) {
    if (!isName(text, strings)) continue
    const spelling = text.slice(strings.begin, strings.end)
    let number = spellings.get(spelling)
    if (number === undefined) {
      const name = JSON.parse(spelling) as string
      number = numbers.get(name) ?? numbers.size
      numbers.set(name, number)
      spellings.set(spelling, number)
    }
    numbered += `${text.slice(copied, strings.begin)}"${STAND_IN}${number}"`
    copied = strings.end
  }
  return { numbered: numbered + text.slice(copied), names: [...numbers.keys()] }
}

/** In front of the number: a name that is a number alone would move to the front of its object. */
const STAND_IN = 'n'

function named(object: Readonly<Record<string, unknown>>, names: readonly string[]): object {
  const result: Record<string, unknown> = {}
  for (const standIn of Object.keys(object)) {
    const name = names[Number(standIn.slice(STAND_IN.length))] as string
    const value = object[standIn]
    if (name === '__proto__') {
      Object.defineProperty(result, name, { value, writable: true, enumerable: true, configurable: true })
    } else {
      result[name] = value
    }
  }
  return result
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether the last string is the name of a member: a colon follows. */
function isName(text: string, { end }: JsonStrings): boolean {
  let at = end
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') ++at
  return text[at] === ':'
}
