// How many invalid lines a receiver tolerates: so many of each connection, and so many a second of each user.

import type { ConnectionInput } from '../connection/connection-input.js'

/**
 * Counts `more` invalid lines for the user of the peer; they make `total` on this connection. Returns why the
 * connection must be closed; undefined while the limits are kept.
 */
export function tooManyInvalid(
  input: Pick<ConnectionInput<unknown>, 'takeInvalid'> | undefined,
  more: number,
  total: number,
  maxInvalid: number,
): string | undefined {
  if (total > maxInvalid) return `the peer sent more than ${maxInvalid} invalid lines (maxInvalid)`
  if (input?.takeInvalid(more) !== false || maxInvalid === Infinity) return undefined
  return 'the user of the peer sent more invalid lines in a second than one user may (maxInvalidPerSecondPerUser)'
}
