// When a receiver acknowledges, and when it gives a silent sender up. One for each connection.

import { clearInterval, clearTimeout, monotonicMs, setInterval, setTimeout } from '../../base/globals.js'
import { writerOf, type Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import { checkTimeout } from '../../base/timing.js'
import { acknowledgementMessage } from '../protocol/control.js'
import type { Session } from './ledger.js'

export interface AcknowledgerOptions {
  readonly ackEveryMessages?: number
  readonly ackDelayMs?: number
  readonly idleTimeoutMs?: number
}

/** What it must know of the receiver. */
export interface ReadingSide {
  bytesRead(): number
  /** Nothing but the sender keeps us from reading. */
  isReading(): boolean
  onSilent(error: IpcError): void
}

const LEAST_IDLE_MS = 1000

export class Acknowledger {
  readonly #connection: Connection
  readonly #reading: ReadingSide
  readonly #everyMessages: number
  readonly #delayMs: number
  #idleTimeoutMs: number
  #session: Session | undefined
  /** What the sender was told last, and when. */
  #told = 0
  #toldAt = 0
  #written = 0
  /** The kernel took no more; to be said as soon as it does. */
  #owed = false
  #timer: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #stopped = false
  readonly #onReady = (): void => {
    if (this.#owed) this.#tell()
  }

  /** @throws RangeError for options that make no sense */
  constructor(connection: Connection, options: AcknowledgerOptions, reading: ReadingSide) {
    this.#connection = connection
    this.#reading = reading
    this.#everyMessages = options.ackEveryMessages ?? 512
    if (!(this.#everyMessages >= 1)) throw new RangeError('ackEveryMessages must be 1 or more')
    this.#delayMs = options.ackDelayMs ?? 5
    if (!(this.#delayMs >= 0)) throw new RangeError('ackDelayMs must be 0 or more')
    this.#idleTimeoutMs = checkTimeout(options.idleTimeoutMs, Infinity)
    writerOf(connection).register(this.#onReady)
    this.#startWatch()
  }

  /** Acknowledgements written. */
  get written(): number {
    return this.#written
  }

  /** The sender has said where it is, which is answered at once. */
  start(session: Session, heartbeatMs: number): void {
    this.#session = session
    this.#tell()
    if (this.#idleTimeoutMs === Infinity) {
      this.#idleTimeoutMs = Math.max(3 * heartbeatMs, LEAST_IDLE_MS)
      this.#startWatch()
    }
    // Said even when nothing is new: it shows that this process runs, however long the application takes.
    this.#heartbeat = setInterval(() => {
      if (monotonicMs() - this.#toldAt >= heartbeatMs / 2) this.#tell()
    }, heartbeatMs / 2)
  }

  /** The application is done with more than before. */
  onProgress(): void {
    const session = this.#session
    if (session === undefined || this.#stopped) return
    if (session.finished - this.#told >= this.#everyMessages) this.#tell()
    else
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.flush()
      }, this.#delayMs)
  }

  /** Says what the sender was not told yet. */
  flush(): void {
    if (this.#session !== undefined && this.#session.finished > this.#told) this.#tell()
  }

  stop(): void {
    this.flush()
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#watch)
    clearInterval(this.#heartbeat)
    writerOf(this.#connection).unregister(this.#onReady)
  }

  #tell(): void {
    const writer = writerOf(this.#connection)
    const session = this.#session
    if (session === undefined || this.#stopped || writer.failure !== undefined) return
    // One that is late says all that those before it would have said.
    this.#owed = writer.blocked
    if (this.#owed) return
    const through = session.finished
    writer.append(acknowledgementMessage({ session: session.id, through }))
    writer.flush()
    this.#told = through
    this.#toldAt = monotonicMs()
    ++this.#written
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #startWatch(): void {
    if (this.#idleTimeoutMs === Infinity) return
    const limitMs = this.#idleTimeoutMs
    const tickMs = Math.max(1, Math.min(limitMs / 4, 0x7fff_ffff))
    let bytes = -1
    let heardAt = monotonicMs()
    let tickAt = heardAt
    this.#watch = setInterval(() => {
      const now = monotonicMs()
      const late = now - tickAt > 2 * tickMs + 100
      tickAt = now
      const read = this.#reading.bytesRead()
      // When this process itself stood still, the sender may have spoken long ago.
      if (read !== bytes || !this.#reading.isReading() || late) {
        bytes = read
        heardAt = now
      } else if (now - heardAt > limitMs) {
        this.#reading.onSilent(
          new IpcError('ERR_IPC_TIMEOUT', `the sender said nothing for ${Math.round(now - heardAt)} ms`, {
            reason: 'silent-peer',
          }),
        )
      }
    }, tickMs)
  }
}
