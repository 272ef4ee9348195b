// How the lines of a receiver are read: the fields that the addon finds, and exact integers.

import type { OptionCheck } from '../base/options.js'
import { oneOf } from '../base/options.js'
import { FieldSet } from '../message/fields.js'
import { MessageFlag } from '../message/parts.js'

/** Options of receivers about the payloads of messages. */
export interface PayloadOptions {
  /**
   * Values in payloads that `message.field(pointer)` returns without parsing the payload: 1 to 16 JSON Pointers (RFC
   * 6901), such as `/EventID` or `/host/name`. The addon finds them while it checks the line. Default: none.
   */
  readonly fields?: readonly string[]
  /**
   * How integers beyond 2^53 are read, by `payload` and `field`: `number` rounds them as JSON.parse does; `bigint`
   * makes them BigInts, which JSON.stringify refuses. Smaller integers, those of more than 1000 digits, and numbers
   * with a fraction or an exponent are numbers either way. Default: `number`.
   */
  readonly integers?: 'number' | 'bigint'
}

/** Checks `fields`. */
export const fieldPointers: OptionCheck = (value, name) => {
  new FieldSet(value, name)
}

/** Checks `integers`. */
export const integerKind: OptionCheck = oneOf('number', 'bigint')

/** The checked form of {@link PayloadOptions}. */
export interface LineReading {
  readonly fields: FieldSet | undefined
  /** The bits of a record's flags that become flags of the message. */
  readonly keptFlags: number
}

const USUAL_FLAGS =
  MessageFlag.ascii |
  MessageFlag.canonical |
  MessageFlag.plainNames |
  MessageFlag.hasMeta |
  MessageFlag.metaInPlace

/** The reading of a receiver without such options. */
export const PLAIN_READING: LineReading = { fields: undefined, keptFlags: USUAL_FLAGS }

/** Checks the options of the class `what`. @throws TypeError or RangeError for an invalid one */
export function lineReading(what: string, { fields, integers }: PayloadOptions): LineReading {
  if (fields === undefined && integers === undefined) return PLAIN_READING
  if (integers !== undefined) integerKind(integers, `${what}: integers`)
  return {
    fields: fields === undefined ? undefined : new FieldSet(fields, `${what}: fields`),
    keptFlags: integers === 'bigint' ? USUAL_FLAGS | MessageFlag.exactIntegers : USUAL_FLAGS,
  }
}

/** Bytes that the positions of its fields take for each line. */
export function fieldBytes({ fields }: LineReading): number {
  return fields === undefined ? 0 : fields.rowWords * Int32Array.BYTES_PER_ELEMENT
}
