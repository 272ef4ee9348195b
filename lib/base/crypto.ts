// Random ids and hashes. Node's module for them is loaded when one is first asked for: it takes milliseconds, and most
// programs never need it.

import type { Hash } from 'node:crypto'

/** So many random bytes, as hex digits. */
export function randomHex(bytes: number): string {
  return process.getBuiltinModule('node:crypto').randomBytes(bytes).toString('hex')
}

export function sha256(): Hash {
  return process.getBuiltinModule('node:crypto').createHash('sha256')
}
