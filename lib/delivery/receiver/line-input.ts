// Reads one connection of an acknowledged sender: turns the records of the addon into runs of numbered messages, and
// extracts control messages and refused lines at their place between them. Stops reading while the receiver is full.

import { publishInvalid, wantsInvalid } from '../../connection/audit.js'
import { attachReader, closeBecause, originOf, type Connection } from '../../connection/connection.js'
import { INVALID_REASONS, MESSAGE_STATE, MessageTypeCode, RecordWord } from '../../binding/abi.js'
import { IpcError } from '../../base/errors.js'
import { tooManyInvalid } from '../../endpoints/invalid-limit.js'
import type { HeldRead } from '../../message/held-reads.js'
import type { SOCMessage } from '../../message/message.js'
import { requestPoll } from '../../wire/busy-poll.js'
import { fieldBytes, lineReading, type LineReading, type PayloadOptions } from '../../wire/line-reading.js'
import { threadWindow } from '../../wire/read-window.js'
import { PageCutter, RefusedLines } from '../../wire/record-decoder.js'
import type { ConnectionInput, RecordReader } from '../../connection/connection-input.js'
import { isControl } from '../protocol/control.js'

export interface LineInputOptions extends PayloadOptions {
  readonly onInvalid: 'throw' | 'skip'
  readonly maxMessageBytes: number
  readonly maxInvalid: number
}

export interface LineInputEvents {
  /** Whether the sender states numbers, so that each further line must have one. */
  readonly isNumbered: boolean
  /** Whether enough messages wait to be handed out. */
  readonly full: boolean
  /** Whether a loop waits for messages. */
  readonly isWanted: boolean
  /** Whether one more error would be kept. */
  readonly takesErrors: boolean
  /** Begins a read, whose lines together take this much memory. */
  beginRead(bytes: number): HeldRead
  /**
   * Called with messages that have the numbers from `first` on; 0 if they have no numbers.
   *
   * @throws {IpcError} for invalid numbers
   */
  onRun(messages: SOCMessage[], first: number, bytes: number, read: HeldRead): void
  /** @throws {IpcError} for an invalid control message */
  onControl(message: SOCMessage): void
  /**
   * Called when a line was refused. `error` is undefined if it is not to be reported.
   *
   * @throws {IpcError} for too many refused lines
   */
  onRefused(reason: string, error: IpcError | undefined): void
  /** Called when the peer violated the protocol or a limit. Nothing more is read. */
  onFailure(error: IpcError): void
  onEnd(error: IpcError | undefined): void
  /** Called when reading stops until there is room again. */
  onPaused(): void
}

// As constants of this module: in the bundle for require(), an imported one costs a call each time that it is read.
const {
  count: RECORD_WORDS,
  state: STATE,
  typeCode: TYPE_CODE,
  lineStart: LINE_START,
  lineEnd: LINE_END,
  sequenceLow: SEQUENCE_LOW,
  sequenceHigh: SEQUENCE_HIGH,
} = RecordWord
const { heartbeat: HEARTBEAT, ack: ACK } = MessageTypeCode
const IS_MESSAGE = MESSAGE_STATE

/** Memory that a message takes besides its line, roughly. */
const MESSAGE_BYTES = 192
const TRUNCATED_REASON = 'truncated'

export class LineInput {
  readonly maxMessageBytes: number
  readonly #connection: Connection
  readonly #name: string
  readonly #events: LineInputEvents
  readonly #skipInvalid: boolean
  readonly #maxInvalid: number
  readonly #reading: LineReading
  #input: ConnectionInput<Connection> | undefined
  #ended = false
  #paused = false
  #invalid = 0
  #bytes = 0
  #batches = 0

  static readonly #recordReader: RecordReader<LineInput> = {
    onRecords: (input, count, received) => input.#onRecords(count, received),
    onEnd: (input, error) => {
      input.#onEnd(error)
      // A sender that has hung up needs no more acknowledgements on this connection.
      return false
    },
    isAwaited: (input) => input.#events.isWanted,
  }

  constructor(connection: Connection, name: string, options: LineInputOptions, events: LineInputEvents) {
    const { maxMessageBytes, maxInvalid, onInvalid } = options
    this.maxMessageBytes = maxMessageBytes
    this.#connection = connection
    this.#name = name
    this.#events = events
    this.#skipInvalid = onInvalid === 'skip'
    this.#maxInvalid = maxInvalid
    this.#reading = lineReading('AcknowledgingReceiver', options)
  }

  /**
   * Starts reading.
   *
   * @throws TypeError when the connection has a receiver already
   */
  start(): void {
    this.#input = attachReader(
      this.#connection,
      this,
      LineInput.#recordReader,
      this.maxMessageBytes,
      this.#reading,
    )
  }

  /** Bytes read. */
  get bytes(): number {
    return this.#bytes
  }

  /** Reads that returned these bytes. */
  get batches(): number {
    return this.#batches
  }

  /** Lines refused. */
  get invalid(): number {
    return this.#invalid
  }

  /** Whether reading waits for room. */
  get paused(): boolean {
    return this.#paused
  }

  /** Whether the account of the user lets other connections read instead. */
  get stopped(): boolean {
    return this.#input?.stoppedFor !== undefined
  }

  resume(): void {
    if (!this.#paused || this.#ended) return
    this.#paused = false
    this.#input?.resume()
  }

  /** Call when a loop begins to wait for messages. */
  asked(): void {
    this.#input?.asked()
    requestPoll(originOf(this.#connection).busyPoll)
  }

  /** Ignores all further input. */
  stop(): void {
    this.#ended = true
  }

  #onRecords(count: number, received: number): boolean {
    if (received > 0) {
      this.#bytes += received
      ++this.#batches
    }
    if (count > 0 && !this.#ended) {
      try {
        this.#takeRecords(count)
      } catch (error) {
        this.#fail(error as IpcError)
      }
    }
    const before = this.#paused
    this.#paused = !this.#ended && this.#events.full
    if (this.#paused && !before) this.#events.onPaused()
    if (!this.#paused && this.#events.isWanted) requestPoll(originOf(this.#connection).busyPoll)
    return !this.#paused
  }

  #onEnd(error: IpcError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#events.onEnd(error)
  }

  #fail(error: IpcError): void {
    this.#ended = true
    this.#events.onFailure(error)
  }

  #takeRecords(count: number): void {
    const { records } = threadWindow
    const { peer } = this.#connection
    const endAt = count * RECORD_WORDS
    const pages = new PageCutter(threadWindow, endAt, this.#reading)
    const extraBytes = fieldBytes(this.#reading)
    const { linesBegin, linesEnd } = threadWindow
    const read = this.#events.beginRead(linesEnd - linesBegin + count * (extraBytes + MESSAGE_BYTES))
    let { isNumbered } = this.#events
    let run: SOCMessage[] = []
    let first = 0
    let bytes = 0
    const flush = (): void => {
      if (run.length === 0) return
      const messages = run
      run = []
      read.grow(threadWindow.takeExcess())
      this.#events.onRun(messages, first, bytes, read)
      bytes = 0
    }
    for (let at = 0; at < endAt; at += RECORD_WORDS) {
      if (records[at + STATE] !== IS_MESSAGE) {
        flush()
        this.#refuse(at)
        if (this.#ended) return
        continue
      }
      const message = pages.messageAt(at, peer)
      const type = records[at + TYPE_CODE] as number
      if ((type === HEARTBEAT || type === ACK) && isControl(message)) {
        flush()
        this.#events.onControl(message)
        ;({ isNumbered } = this.#events)
        continue
      }
      const sequence = isNumbered ? sequenceAt(records, at) : 0
      if (run.length === 0) first = sequence
      else if (first === 0 ? sequence !== 0 : sequence !== first + run.length) {
        flush()
        first = sequence
      }
      run.push(message)
      bytes += (records[at + LINE_END] as number) - (records[at + LINE_START] as number) + extraBytes
    }
    flush()
    threadWindow.takeExcess() // of control messages, which are not kept
  }

  #refuse(at: number): void {
    const [reason] = INVALID_REASONS[threadWindow.records[at + STATE] as number] ?? ['unknown']
    // A sender that was killed may leave a partial line; its next connection carries the whole line.
    if (reason === TRUNCATED_REASON && this.#events.isNumbered) return
    ++this.#invalid
    const wanted = !this.#skipInvalid && this.#events.takesErrors
    const error =
      wanted || wantsInvalid() ? RefusedLines.keep(threadWindow, at, 1, this.#name).error : undefined
    if (error !== undefined) {
      publishInvalid({ address: this.#connection.address, peer: this.#connection.peer, error })
    }
    this.#events.onRefused(reason, wanted ? error : undefined)
    const why = tooManyInvalid(this.#input, 1, this.#invalid, this.#maxInvalid)
    if (why === undefined) return
    closeBecause(this.#connection, 'too-many-invalid')
    this.#fail(new IpcError('ERR_IPC_CLOSED', `${this.#name}: ${why}`, { reason: 'too-many-invalid' }))
  }
}

function sequenceAt(records: Int32Array, at: number): number {
  return (
    (records[at + SEQUENCE_HIGH] as number) * 0x1_0000_0000 + ((records[at + SEQUENCE_LOW] as number) >>> 0)
  )
}
