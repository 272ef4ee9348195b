// Extra keys of an envelope: metadata of the application, such as a `traceparent`. Go peers ignore them. Must not know
// messages.

import { wrongKind } from '../base/options.js'
import { quoteText } from '../base/quote.js'
import { EnvelopeExtra } from '../binding/abi.js'
import { parsePayload } from './payload.js'

/** Extra keys of a message's envelope, with their JSON values. See {@link SOCMessage.meta}. */
export type Meta = Readonly<Record<string, unknown>>

/** The meta of messages without any. */
export const NO_META: Meta = Object.freeze(Object.create(null) as Meta)

/** Keys that the package uses itself, or that are names of properties of a message. */
const OURS = ['type', 'id', 'ts', 'timestamp', 'payload', 'seq', 'source']
const OUR_KEYS: ReadonlySet<string> = new Set(OURS.map(fold))
const ENVELOPE_KEYS: ReadonlySet<string> = new Set(['type', 'id', 'ts', 'payload', 'seq'])

/** Folds a key as Go's decoder does when it compares keys: the long s (U+017F) equals an s, and the Kelvin sign a k. */
function fold(key: string): string {
  return key.toUpperCase().toLowerCase()
}

/** The meta of a message to be sent: a copy, and its text as it stands behind `ts`. */
export interface MadeMeta {
  readonly meta: Meta
  /** `,"key":value` for each. */
  readonly text: string
}

/**
 * Checks the meta of a new message. Keys whose value is undefined are left out.
 *
 * @throws TypeError for an empty key, a reserved key (one of {@link OURS}, whatever its case), or a value that JSON
 *   cannot express; RangeError for more than 32 keys or 4096 bytes
 */
export function makeMeta(meta: unknown): MadeMeta {
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) {
    throw wrongKind('meta', 'an object of JSON values', meta)
  }
  let text = ''
  let keys = 0
  for (const [key, value] of Object.entries(meta)) {
    if (value === undefined) continue
    if (key === '' || OUR_KEYS.has(fold(key))) {
      throw new TypeError(
        key === ''
          ? 'meta must not have an empty key'
          : `meta must not have the key ${quoteText(key, 40)}: ${OURS.join(', ')} are reserved for the envelope, in any spelling`,
      )
    }
    // The type of JSON.stringify hides that functions and symbols give undefined.
    const json = JSON.stringify(value) as string | undefined
    if (json === undefined) throw wrongKind(`meta: ${quoteText(key, 40)}`, 'a JSON value', value)
    text += `,${JSON.stringify(key)}:${json}`
    ++keys
  }
  if (keys > EnvelopeExtra.mostKeys || Buffer.byteLength(text) > EnvelopeExtra.mostBytes) {
    throw new RangeError(
      `meta must have at most ${EnvelopeExtra.mostKeys} keys and take ${EnvelopeExtra.mostBytes} bytes as JSON`,
    )
  }
  return text === '' ? { meta: NO_META, text } : { meta: readMeta(`{${text.slice(1)}}`), text }
}

/** The text of keys that were read, as {@link makeMeta} writes it. */
export function metaText(meta: Meta): string {
  let text = ''
  for (const [key, value] of Object.entries(meta)) text += `,${JSON.stringify(key)}:${JSON.stringify(value)}`
  return text
}

/** The meta in the text of an envelope, whose payload may have been replaced. */
export function readMeta(envelope: string): Meta {
  const parsed = parsePayload(envelope) as Record<string, unknown>
  const meta = Object.create(null) as Record<string, unknown>
  // Not Object.keys: `__proto__` is not enumerable.
  for (const key of Object.getOwnPropertyNames(parsed)) {
    if (!ENVELOPE_KEYS.has(key)) meta[key] = deepFreeze(parsed[key])
  }
  return Object.freeze(meta)
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    for (const key of Object.getOwnPropertyNames(value)) deepFreeze((value as Record<string, unknown>)[key])
    Object.freeze(value)
  }
  return value
}
