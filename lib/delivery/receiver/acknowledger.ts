// When a receiver acknowledges: at once for the sender's first statement, soon after messages are settled, and as a
// heartbeat. One for each connection. The receiver sets a minimum interval, regardless of the interval that the sender
// requests.

import { writerOf, type Connection } from '../../connection/connection.js'
import { clearInterval, clearTimeout, monotonicMs, setInterval, setTimeout } from '../../base/globals.js'
import { acknowledgementMessage, type Greeting } from '../protocol/control.js'
import type { Session } from './session.js'

export interface AcknowledgerOptions {
  readonly ackEveryMessages: number
  readonly ackDelayMs: number
  readonly minHeartbeatMs: number
}

/**
 * Minimum milliseconds between acknowledgements with ranges that did not fit: they may contain nothing new, and the
 * sender bounds the number of such acknowledgements.
 */
const LEAST_LATER_MS = 5

export class Acknowledger {
  readonly #connection: Connection
  readonly #everyMessages: number
  readonly #delayMs: number
  readonly #minHeartbeatMs: number
  #session: Session | undefined
  #greeting: Greeting | undefined
  /** The session's progress as last reported to the sender, and when. */
  #told = 0
  #toldAt = 0
  #written = 0
  /** Whether accepted ranges are left that did not fit into the last acknowledgement. */
  #later = false
  /** Whether an acknowledgement is due that the kernel cannot accept yet. */
  #owed = false
  #timer: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #stopped = false
  readonly #onReady = (): void => {
    if (this.#owed) this.#tell()
  }

  constructor(connection: Connection, options: AcknowledgerOptions) {
    this.#connection = connection
    this.#everyMessages = options.ackEveryMessages
    this.#delayMs = options.ackDelayMs
    this.#minHeartbeatMs = options.minHeartbeatMs
    writerOf(connection).register(this.#onReady)
  }

  /** Acknowledgements written. */
  get written(): number {
    return this.#written
  }

  /** Acknowledges the sender's first statement at once, with the limits of this side. */
  start(session: Session, heartbeatMs: number, takes: Omit<Greeting, 'heartbeatMs'>): void {
    const paceMs = Math.max(heartbeatMs, this.#minHeartbeatMs)
    this.#session = session
    this.#greeting = { ...takes, heartbeatMs: Math.ceil(paceMs) }
    this.#tell()
    // Also sent without news: it shows that this process runs, however long the application takes.
    this.#heartbeat = setInterval(() => {
      if (monotonicMs() - this.#toldAt >= paceMs / 2) this.#tell()
    }, paceMs / 2)
  }

  /** Call when something was settled. */
  onSettled(): void {
    const session = this.#session
    if (session === undefined || this.#stopped) return
    if (session.progress - this.#told >= this.#everyMessages) this.#tell()
    else this.#tellSoon(this.#delayMs)
  }

  #tellSoon(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#tell()
    }, delayMs)
  }

  /** Acknowledges what the sender does not know yet. */
  flush(): void {
    if (this.#session !== undefined && this.#session.progress > this.#told) this.#tell()
  }

  /** Acknowledges everything, then stops. */
  stop(): void {
    this.flush()
    while (this.#later && !this.#owed && writerOf(this.#connection).failure === undefined) this.#tell()
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#heartbeat)
    writerOf(this.#connection).unregister(this.#onReady)
  }

  #tell(): void {
    // More rejections than fit into one acknowledgement go into further ones.
    while (this.#tellOnce());
  }

  /** Returns whether more rejections have to be reported now. */
  #tellOnce(): boolean {
    const writer = writerOf(this.#connection)
    const session = this.#session
    if (session === undefined || this.#stopped || writer.failure !== undefined) return false
    // A later acknowledgement contains everything that earlier ones would have contained.
    this.#owed = writer.blocked
    if (this.#owed) return false
    this.#told = session.progress
    this.#toldAt = monotonicMs()
    ++this.#written
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { through, ranges, more, later } = session.acknowledgement()
    writer.append(acknowledgementMessage({ session: session.id, through, ranges, greeting: this.#greeting }))
    writer.flush()
    this.#greeting = undefined
    this.#later = later
    if (later && !more) this.#tellSoon(Math.max(this.#delayMs, LEAST_LATER_MS))
    return more
  }
}
