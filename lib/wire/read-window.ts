// The memory that all connections of a thread read into, one at a time, and the records in which the addon describes
// the lines there. A window that is full of lines is given to their messages without a copy, and replaced by a new one.

import { FieldWord, NO_ROOM, NOTHING_RECEIVED, Progress, READ_BYTES, RecordWord } from '../binding/abi.js'
import { addon } from '../binding/addon.js'

/** Room in front of a read for the beginning of a line. */
const HEADROOM_BYTES = 1 << 12
const RECORDS = 1024
/**
 * Small copies share blocks of this size, because allocating memory for each would take longer than the copy. Node's
 * pool is not used: a single line would keep all of it, and its size is up to Node (64 KiB since version 26) and to the
 * program.
 */
const BLOCK_BYTES = 1 << 13
/**
 * The window shrinks after this many reads in a row that did not need its size. Long lines may come between short ones.
 */
const MAX_ROOMY_READS = 64

/** The window's size for an unfinished line of `carried` bytes: whole units of the headroom, with one to spare. */
function windowBytes(carried: number): number {
  return (Math.floor(carried / HEADROOM_BYTES) + 1) * HEADROOM_BYTES + READ_BYTES
}

/** The read window of one thread. It is passed as an argument; there is one instance, {@link threadWindow}. */
export class ReadWindow {
  /** Records of the last step; see {@link RecordWord}. */
  readonly records = new Int32Array(RECORDS * RecordWord.count)
  /** The outcome of that step; see {@link Progress}. */
  readonly progress = new Int32Array(Progress.count)
  #bytes = Buffer.allocUnsafeSlow(windowBytes(0))
  /** Rows of the fields of the last step's records, once a stream has fields; see {@link FieldWord}. */
  #fieldRows: Int32Array | undefined
  /** Reads in a row that did not need the window's size. */
  #roomyReads = 0
  /** The block for small copies, and the number of its bytes in use. */
  #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #blockUsed = 0
  /** See {@link takeExcess}. */
  #excess = 0

  constructor() {
    addon.attachRecords(this.records, this.progress)
    addon.attachWindow(this.#bytes)
  }

  /** The memory that is read into. Records hold positions in it. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Bytes that the last step read; 0 if it ended the stream or read nothing. */
  get received(): number {
    return Math.max(0, this.progress[Progress.received] as number)
  }

  /** The system's negative error number if the last read failed; otherwise 0. */
  get failure(): number {
    const received = this.progress[Progress.received] as number
    return received === NOTHING_RECEIVED ? 0 : Math.min(0, received)
  }

  /** Whether the last step left lines of the same read for another step. */
  get hasMore(): boolean {
    return this.progress[Progress.more] === 1
  }

  /** This turn of the event loop has read enough: what is left waits for the next one. See turn.ts. */
  get turnOver(): boolean {
    return this.progress[Progress.turnOver] === 1
  }

  /** Bytes of the unfinished line behind the lines of the last read; 0 while that has more steps. */
  get carried(): number {
    return this.progress[Progress.carried] as number
  }

  /** Where the lines of the last step begin and end. */
  get linesBegin(): number {
    return this.progress[Progress.textBegin] as number
  }
  get linesEnd(): number {
    return this.progress[Progress.textEnd] as number
  }

  /** Repeats a step that had no room, in a larger window. Returns the number of records. */
  withRoom(records: number, step: () => number): number {
    if (records !== NO_ROOM) return records
    this.#replace()
    return step()
  }

  /** The text of [begin, end), which must be ASCII. */
  keepText(begin: number, end: number): string {
    return this.#bytes.toString('latin1', begin, end)
  }

  /**
   * Returns the bytes of lines, which are never modified afterwards: the window itself if they fill much of it,
   * otherwise a copy that begins with them.
   */
  keepBytes(begin: number, size: number): Buffer {
    if (size >= READ_BYTES / 2 && size >= this.#bytes.length / 4) {
      if (this.progress[Progress.given] === 0) this.#excess += this.#bytes.length - size
      this.progress[Progress.given] = 1
      return this.#bytes
    }
    const bytes = size < BLOCK_BYTES / 2 ? this.#takeFromBlock(size) : Buffer.allocUnsafeSlow(size)
    this.#excess += bytes.buffer.byteLength - size
    this.#bytes.copy(bytes, 0, begin, begin + size)
    return bytes
  }

  /**
   * Returns the memory that {@link keepBytes} has kept besides the lines themselves since the last call. One line can
   * keep a whole block or window alive, so a peer could make this process hold many times the bytes that it sent.
   */
  takeExcess(): number {
    const excess = this.#excess
    this.#excess = 0
    return excess
  }

  /** Makes room for the fields of lines. Call it before a stream with fields is opened. */
  prepareFieldRows(): void {
    if (this.#fieldRows !== undefined) return
    const rows = new Int32Array(RECORDS * (FieldWord.first + FieldWord.most * FieldWord.each))
    addon.attachFieldRows(rows)
    this.#fieldRows = rows
  }

  /** Returns a copy of the rows of the last step's records, each of which has `rowWords` words. */
  keepFieldRows(count: number, rowWords: number): Int32Array {
    const rows = (this.#fieldRows as Int32Array).slice(0, count * rowWords)
    for (let i = 0; i < count; ++i) {
      rows[i * rowWords + FieldWord.lineStart] = this.records[
        i * RecordWord.count + RecordWord.lineStart
      ] as number
    }
    return rows
  }

  /** Call when all records of a read have been taken, before the next read. */
  settle(): void {
    const larger = this.#bytes.length > windowBytes(this.carried)
    this.#roomyReads = larger ? this.#roomyReads + 1 : 0
    if (this.progress[Progress.given] === 1 || this.#roomyReads > MAX_ROOMY_READS) this.#replace()
  }

  #takeFromBlock(size: number): Buffer {
    if (this.#blockUsed + size > BLOCK_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      this.#blockUsed = 0
    }
    const begin = this.#blockUsed
    this.#blockUsed += size
    return this.#block.subarray(begin, begin + size)
  }

  #replace(): void {
    const window = Buffer.allocUnsafeSlow(windowBytes(this.carried))
    addon.attachWindow(window)
    this.#bytes = window
    this.#roomyReads = 0
  }
}

export const threadWindow = new ReadWindow()
