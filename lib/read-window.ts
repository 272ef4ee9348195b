// The memory that all connections of a thread read into, one at a time, and the records in which the addon says what
// it found there. Laid out as native/frame_reader.h wants it.

import { RecordWord } from './frame-record.js'
import { MAX_MESSAGE_BYTES } from './message.js'
import { addon } from './native.js'

/** Bytes that one read can take. */
const READ_BYTES = 1 << 16
/** Room in front of them for the unfinished line of the connection: the longest line, and the addon's slack. */
const HEADROOM_BYTES = MAX_MESSAGE_BYTES + 4096
const RECORDS = 1024

/** The whole window. Only pages that were used take memory. */
export const readWindow = Buffer.allocUnsafeSlow(HEADROOM_BYTES + READ_BYTES)
/** Where bytes arrive. */
export const readArea = readWindow.subarray(HEADROOM_BYTES)
/** Records of the last step of a frame reader; see {@link RecordWord}. */
export const records = new Int32Array(RECORDS * RecordWord.count)
/** Of the last step: where its text begins and ends in the window, and 1 if there is more to do. */
export const progress = new Int32Array(3)

addon.attachWindow(readWindow, HEADROOM_BYTES, records, progress)
