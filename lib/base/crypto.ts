// Random ids and hashes. Loads Node's module when it is first needed: that takes milliseconds, and most programs never
// need it.

import type { Hash } from 'node:crypto'

/** Returns `bytes` random bytes as hexadecimal digits. */
export function randomHex(bytes: number): string {
  return process.getBuiltinModule('node:crypto').randomBytes(bytes).toString('hex')
}

/** Returns a SHA-256 hash to update. */
export function sha256(): Hash {
  return process.getBuiltinModule('node:crypto').createHash('sha256')
}
