// Classifies addresses and host names.

import { isIPv4, isIPv6 } from 'node:net'

const PRIVATE = /^(?:0|10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|22[4-9]|23\d)\./

/** An address with its port, in the usual notation. */
export function addressOf(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** Whether `to`, an address with a port or a name, is outside: names without a dot and private addresses are not. */
export function isPublicName(to: string): boolean {
  const host = to.replace(/:\d*$/, '').toLowerCase()
  if (isIPv4(host)) return !PRIVATE.test(host)
  if (isIPv6(host)) return !/^(?:::1?$|f[cde]|ff)/.test(host)
  return host.includes('.') && !/\.(?:local|internal|lan|arpa)$/.test(host)
}
