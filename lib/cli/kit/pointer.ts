// JSON Pointers (RFC 6901) on the command line: `/host/name,/EventID`.

import { FieldSet } from '../../message/fields.js'
import { usageError } from './exit-code.js'

/**
 * @throws CommandError for a text that is not a list of pointers; TypeError or RangeError for more than a receiver
 *   takes
 */
export function parsePointers(text: string): readonly string[] {
  const pointers = text.split(',')
  for (const pointer of pointers) {
    if (!/^(\/([^~]|~0|~1)*)+$/.test(pointer)) {
      throw usageError(
        `--fields takes JSON Pointers such as /host/name, separated by commas, not '${pointer}'`,
      )
    }
  }
  return new FieldSet([...new Set(pointers)], '--fields').pointers
}
