// Payloads between value and text, safely: nothing that JSON cannot express goes out, nothing that comes in changes a
// prototype, and a text that is handed out holds no other.

/**
 * The JSON text of a value; undefined for undefined.
 *
 * @throws TypeError for what JSON cannot express
 */
export function stringifyPayload(payload: unknown): string | undefined {
  if (payload === undefined) return undefined
  // The type of JSON.stringify hides that functions and symbols give undefined.
  const text = JSON.stringify(payload) as string | undefined
  if (text === undefined) throw new TypeError(`payload is a ${typeof payload}, which JSON cannot express`)
  return text
}

// Any letter of the key may be written as an escape.
const SUSPICIOUS = /__proto__|\\u00[4-7]/

/** The value of a JSON text, in which a key `__proto__` stays data. */
export function parsePayload(text: string): unknown {
  return SUSPICIOUS.test(text) ? JSON.parse(text, hidePrototypeKey) : JSON.parse(text)
}

function hidePrototypeKey(_key: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__')) {
    Object.defineProperty(value, '__proto__', { enumerable: false })
  }
  return value
}

const scratch = Buffer.allocUnsafeSlow(4096)

/**
 * A copy of an ASCII text that shares nothing with the text it was cut from. V8 lets a slice of 13 characters or more
 * keep its whole parent alive, so one id kept in a Map would hold a read of 64 KiB.
 */
export function detached(slice: string): string {
  if (slice.length < 13) return slice
  const buffer = slice.length <= scratch.length ? scratch : Buffer.allocUnsafeSlow(slice.length)
  return buffer.toString('latin1', 0, buffer.write(slice, 'latin1'))
}
