// One connection of an acknowledged sender: says where it is, writes what is in flight, hears acknowledgements, and
// notices when the peer falls silent. Knows nothing of the connections before and after it.

import { clearTimeout, monotonicMs, setInterval, setTimeout } from '../../base/globals.js'
import { writerOf, type Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import type { FrameWriter } from '../../wire/frame-writer.js'
import type { SOCMessage } from '../../message/message.js'
import { Receiver } from '../../endpoints/receiver.js'
import { isControl, parseAcknowledgement, positionMessage, violation } from '../protocol/control.js'
import type { Run } from './in-flight.js'
import type { Outbox } from './outbox.js'
import { offsetOfLine } from './lines.js'

export interface LinkOptions {
  readonly heartbeatMs: number
  readonly peerTimeoutMs: number
  readonly answerTimeoutMs: number
}

/** What a link tells its sender. */
export interface LinkEvents {
  /** The peer acknowledges. */
  onAnswered(): void
  /** It did not say so in time. `written`: go on without; `close`: give this connection up. */
  onUnanswered(): 'written' | 'close'
  /** Something was acknowledged, or written for good. */
  onProgress(): void
}

type LinkState = 'greeting' | 'acknowledging' | 'unacknowledged' | 'ended'

/** Another system call costs less than to copy so much. */
const ALONE_BYTES = 1 << 15
/** Acknowledgements are short. */
const MAX_REPLY_BYTES = 4096

export class SenderLink {
  readonly #connection: Connection
  readonly #writer: FrameWriter
  readonly #replies: Receiver
  readonly #outbox: Outbox
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  #state: LinkState = 'greeting'
  /** Number that the peer gives to the next message on the wire. */
  #next = 0
  /** Messages were appended since the last flush. */
  #appended = false
  /** The run appended last: what the kernel does not take at once may be written from where it is. */
  #last: Run | undefined
  /** Frames went out since the last heartbeat. */
  #spoke = true
  #error: IpcError | undefined
  #timers: NodeJS.Timeout[] = []
  readonly #onReady = (): void => {
    if (this.#last !== undefined) this.#last.held = this.#writer.blocked
    this.pump()
  }

  constructor(connection: Connection, outbox: Outbox, options: LinkOptions, events: LinkEvents) {
    this.#connection = connection
    this.#outbox = outbox
    this.#options = options
    this.#events = events
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
    this.#replies = new Receiver(connection, 'acknowledgements', { maxMessageBytes: MAX_REPLY_BYTES })
    outbox.inFlight.rewind()
  }

  get acknowledging(): boolean {
    return this.#state === 'acknowledging'
  }

  /** The kernel takes no more for now. */
  get blocked(): boolean {
    return this.#writer.blocked
  }

  /** Resolves when the connection has ended; with the reason, where there is one. */
  async run(): Promise<IpcError | undefined> {
    this.#say(this.#outbox.first)
    this.#writer.flush()
    this.#timers.push(
      setTimeout(() => {
        this.#onUnanswered()
      }, this.#options.answerTimeoutMs),
    )
    this.#watch()
    try {
      await this.#listen()
    } catch (error) {
      this.#error ??= error as IpcError
    }
    this.#state = 'ended'
    for (const timer of this.#timers) clearTimeout(timer)
    this.#writer.unregister(this.#onReady)
    this.#connection.destroy()
    await this.#connection.whenClosed()
    return this.#error
  }

  /** Ends it; `run` resolves. What the kernel has still gets out. */
  end(error?: IpcError): void {
    this.#error ??= error
    this.#connection.destroy()
  }

  /** Writes what there is, as far as the kernel takes it. */
  pump(): void {
    if (this.#state !== 'acknowledging' && this.#state !== 'unacknowledged') return
    const writer = this.#writer
    const { inFlight } = this.#outbox
    while (!writer.blocked && writer.failure === undefined) {
      const run = inFlight.next()
      if (run === undefined) {
        if (!this.#outbox.takeMore()) break
        continue
      }
      // Lines that go out alone are written from where they are.
      if (writer.pending && run.lines.length >= ALONE_BYTES) this.#flush()
      else this.#append(run)
      if (writer.full) this.#flush()
    }
    this.#flush()
  }

  #append(run: Run): void {
    const { first, begin, count, lines } = run
    if (first + begin !== this.#next) this.#say(first + begin)
    this.#writer.appendLines(begin === 0 ? lines : lines.subarray(offsetOfLine(lines, begin)))
    this.#next = first + count
    this.#appended = true
    this.#last = run
    this.#outbox.inFlight.advance()
  }

  /** Tells the peer which number the next message has. */
  #say(next: number): void {
    const { session } = this.#outbox
    this.#writer.append(positionMessage({ session, next, heartbeatMs: this.#options.heartbeatMs }))
    this.#next = next
    this.#outbox.noteWritten(next - 1)
  }

  #flush(): void {
    this.#writer.flush()
    if (this.#last !== undefined) this.#last.held = this.#writer.blocked
    if (this.#appended) {
      this.#appended = false
      this.#spoke = true
      this.#outbox.noteWritten(this.#next - 1)
    }
    if (this.#state === 'unacknowledged' && !this.#writer.blocked && this.#writer.failure === undefined) {
      this.#outbox.settleWritten(this.#next - 1)
      this.#events.onProgress()
    }
  }

  async #listen(): Promise<void> {
    const runs = this.#replies.batches()
    for (;;) {
      const { value: run, done } = await runs.next()
      if (done === true || this.#state === 'ended') return
      for (const message of run) if (isControl(message)) this.#onControl(message)
    }
  }

  #onControl(message: SOCMessage): void {
    const acknowledgement = parseAcknowledgement(message)
    if (this.#state === 'unacknowledged') {
      throw violation('late-answer', 'its first acknowledgement too late')
    }
    this.#outbox.acknowledge(acknowledgement)
    if (this.#state === 'greeting') {
      this.#state = 'acknowledging'
      clearTimeout(this.#timers[0])
      this.#events.onAnswered()
    }
    this.#events.onProgress()
    this.pump()
  }

  #onUnanswered(): void {
    if (this.#state !== 'greeting') return
    if (this.#events.onUnanswered() === 'written') {
      this.#state = 'unacknowledged'
      this.pump()
    } else {
      this.end(silence(`it did not answer within ${this.#options.answerTimeoutMs} ms`))
    }
  }

  /** Speaks when there is nothing else to say, and listens for the peer's doing so. */
  #watch(): void {
    const { heartbeatMs, peerTimeoutMs } = this.#options
    let bytes = 0
    let heardAt = monotonicMs()
    let tickAt = heardAt
    const tickMs = Math.min(heartbeatMs / 2, peerTimeoutMs / 4)
    let spokeAt = heardAt
    const tick = (): void => {
      const now = monotonicMs()
      // When this process itself stood still, the peer may have answered long ago.
      const late = now - tickAt > 2 * tickMs + 100
      tickAt = now
      const heard =
        this.#state === 'unacknowledged' ? !this.#writer.blocked : this.#replies.stats.bytes !== bytes
      if (heard || late || this.#state === 'greeting') {
        bytes = this.#replies.stats.bytes
        heardAt = now
      } else if (now - heardAt > peerTimeoutMs) {
        this.end(silence(`nothing came for ${Math.round(now - heardAt)} ms`))
        return
      }
      if (this.#spoke) {
        this.#spoke = false
        spokeAt = now
      } else if (
        this.#state === 'acknowledging' &&
        now - spokeAt >= heartbeatMs / 2 &&
        !this.#writer.blocked
      ) {
        this.#say(this.#next)
        this.#writer.flush()
        spokeAt = now
      }
    }
    this.#timers.push(setInterval(tick, tickMs))
  }
}

function silence(what: string): IpcError {
  return new IpcError('ERR_IPC_TIMEOUT', `the peer is given up: ${what}`, { reason: 'silent-peer' })
}
