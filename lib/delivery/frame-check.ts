// Asks the addon whether frames would pass, before they are written: a message in a spool must be one.

import { MAX_MESSAGE_BYTES } from '../message.js'
import { addon } from '../native.js'

/** The number of messages in these lines, or -1 if any of them is none. */
export function countFrames(lines: Uint8Array): number {
  return addon.checkFrames(lines, MAX_MESSAGE_BYTES)
}
