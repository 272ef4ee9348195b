// What all connections of a thread share for reading, one at a time: the memory that they read into, the records in which
// the addon says what it found there, laid out as native/frame_reader.h wants it, and frame readers that are not in use.

import { RecordWord } from './frame-record.js'
import { MAX_MESSAGE_BYTES } from './envelope.js'
import { addon, type NativeFrameReader } from './native.js'

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
/**
 * Of the last step: where its text begins and ends in the window, 1 if there is more to do, and 1 if the reader keeps
 * something for the next time.
 */
export const progress = new Int32Array(4)

addon.attachWindow(readWindow, HEADROOM_BYTES, records, progress)

/** A copy of bytes of the window, which the next read overwrites. */
export function keepBytes(begin: number, size: number): Buffer {
  // Small ones share a block, as memory of their own would take longer than the copy.
  const bytes = size < Buffer.poolSize >>> 1 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size)
  readWindow.copy(bytes, 0, begin, begin + size)
  return bytes
}

const spareReaders = new Map<number, NativeFrameReader[]>()

/** Idle readers of each limit that are kept. */
const MAX_SPARE = 16

/** A frame reader that keeps nothing. Between reads that leave nothing over, a connection needs none of its own. */
export function borrowFrameReader(maxMessageBytes: number): NativeFrameReader {
  return spareReaders.get(maxMessageBytes)?.pop() ?? new addon.FrameReader(maxMessageBytes)
}

/** Gives a frame reader back that keeps nothing. */
export function returnFrameReader(reader: NativeFrameReader, maxMessageBytes: number): void {
  let spare = spareReaders.get(maxMessageBytes)
  if (spare === undefined) spareReaders.set(maxMessageBytes, (spare = []))
  if (spare.length < MAX_SPARE) spare.push(reader)
}
