// What all connections of a thread share for reading, one at a time: the memory that they read into, and the records in
// which the addon says what it found there. Memory that is full of lines goes to their messages as it is, without a copy,
// and new memory takes its place.

import { NO_ROOM, Progress, READ_BYTES, RecordWord } from '../binding/abi.js'
import { addon } from '../binding/addon.js'

/** Room in front of a read for the beginning of a line. */
const HEADROOM_BYTES = 1 << 12
const RECORDS = 1024

/** Records of the last step; see {@link RecordWord}. */
export const records = new Int32Array(RECORDS * RecordWord.count)
/** What that step came to; see {@link Progress}. */
export const progress = new Int32Array(Progress.count)
/** What is read into. Records tell positions in it. */
export let readWindow = Buffer.allocUnsafeSlow(windowBytes(0))

/** Reads in a row that did not need the window's size. */
let roomy = 0
/** After more of them it goes back to the usual size: a long line may come in small pieces between others. */
const MAX_ROOMY = 64

addon.attachRecords(records, progress)
addon.attachWindow(readWindow)

function windowBytes(carried: number): number {
  // In whole units of the headroom, with one to spare.
  return (Math.floor(carried / HEADROOM_BYTES) + 1) * HEADROOM_BYTES + READ_BYTES
}

function replaceWindow(): void {
  const window = Buffer.allocUnsafeSlow(windowBytes(progress[Progress.carried] as number))
  addon.attachWindow(window)
  readWindow = window
  roomy = 0
}

/** Takes a step of a stream again that had no room, with room for it. */
export function withRoom(records: number, step: () => number): number {
  if (records !== NO_ROOM) return records
  replaceWindow()
  return step()
}

/** Lines of so few bytes become text at once, which takes less than a copy of their bytes, and text of it later. */
export const SMALL_READ_BYTES = 1 << 13

/** The text of [begin, end) of the window, which must be ASCII. */
export function keepText(begin: number, end: number): string {
  return readWindow.toString('latin1', begin, end)
}

/**
 * The bytes of lines of the window, for good: the window itself, where they are much of it, or a copy that begins
 * with them.
 */
export function keepBytes(begin: number, size: number): Buffer {
  if (size >= READ_BYTES / 2 && size >= readWindow.length / 4) {
    progress[Progress.given] = 1
    return readWindow
  }
  // Small ones share a block, as memory of their own would take longer than the copy.
  const bytes = size < Buffer.poolSize >>> 1 ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size)
  readWindow.copy(bytes, 0, begin, begin + size)
  return bytes
}

/** To be called when a read has been taken whole, before the next one. */
export function settleWindow(): void {
  const larger = readWindow.length > windowBytes(progress[Progress.carried] as number)
  roomy = larger ? roomy + 1 : 0
  if (progress[Progress.given] === 1 || roomy > MAX_ROOMY) replaceWindow()
}
