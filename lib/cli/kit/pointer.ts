// JSON Pointers (RFC 6901) on the command line: `/host/name,/EventID`.

import { usageError } from './exit-code.js'

/** @throws CommandError for a text that is not a list of pointers */
export function parsePointers(text: string): readonly string[] {
  const pointers = text.split(',')
  for (const pointer of pointers) {
    if (!/^(\/([^~]|~0|~1)*)+$/.test(pointer)) {
      throw usageError(
        `--fields takes JSON Pointers such as /host/name, separated by commas, not '${pointer}'`,
      )
    }
  }
  return pointers
}

/** What a pointer leads to in a value; undefined if there is nothing. */
export function pointed(value: unknown, pointer: string): unknown {
  let found = value
  for (const token of pointer.slice(1).split('/')) {
    if (typeof found !== 'object' || found === null) return undefined
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~')
    found = Object.hasOwn(found, key) ? (found as Record<string, unknown>)[key] : undefined
  }
  return found
}
