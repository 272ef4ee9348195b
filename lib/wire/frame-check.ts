// Asks the addon whether frames would pass, before they are written: a message in a spool must be one.

import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import { addon } from '../binding/addon.js'

/** The number of messages in these lines, or -1 if any of them is none. */
export function countFrames(lines: Uint8Array): number {
  return addon.checkFrames(lines, 0, lines.length, MAX_MESSAGE_BYTES)
}
