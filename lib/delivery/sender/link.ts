// One connection of an acknowledged sender: states numbers, writes lines, reads acknowledgements, and notices when the
// peer falls silent. Must not know the connections before and after it.
//
//     greeting ── first acknowledgement ──> acknowledging ──┐
//        └── answerTimeoutMs passed ──> unacknowledged ─────┴──> ended

import { writerOf, type Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import {
  clearInterval,
  clearTimeout,
  monotonicMs,
  setImmediate,
  setInterval,
  setTimeout,
} from '../../base/globals.js'
import type { FrameWriter } from '../../wire/frame-writer.js'
import type { SOCMessage } from '../../message/message.js'
import { Receiver } from '../../endpoints/receiver.js'
import {
  isControl,
  otherVersion,
  parseAcknowledgement,
  statementMessage,
  violation,
  type Acknowledgement,
  type Greeting,
  type NumberRange,
} from '../protocol/control.js'
import { SilenceWatch } from '../protocol/silence-watch.js'
import type { WritableLink } from './backlog.js'
import type { Run } from './run.js'

export interface LinkOptions {
  readonly heartbeatMs: number
  readonly peerTimeoutMs: number
  readonly answerTimeoutMs: number
}

/** The numbers that a link states. */
export interface StatedFlow {
  readonly session: string
  /** No number below this one is sent again by this process. */
  readonly lowest: number
  /** No number below this one is sent again, even if this process is killed. */
  readonly lowestEver: number
}

/** The events of a link, for its sender. */
export interface LinkEvents {
  /** The peer acknowledges. */
  onAnswered(greeting: Greeting): void
  /** The peer did not say so in time. `written`: go on without; `close`: give this connection up. */
  onUnanswered(error: IpcError): 'written' | 'close'
  /** @throws {IpcError} if the acknowledgement is not an honest one */
  onAcknowledgement(acknowledgement: Acknowledgement): void
  /** The kernel has every line through this number, for a peer that does not acknowledge. */
  onWritten(through: number): void
  /** More can be written. */
  onWritable(): void
}

type LinkState = 'greeting' | 'acknowledging' | 'unacknowledged' | 'ended'

/** For more bytes than this, another system call costs less than copying. */
const ALONE_BYTES = 1 << 15
/** An acknowledgement is short, even with 64 ranges and reasons. */
const MAX_REPLY_BYTES = 1 << 16
/** After the last line of a burst, its number is stated, so that a line which the receiver refused shows as missing. */
const TAIL_STATEMENT_MS = 100
/** Silence of a peer is measured in this many of its own heartbeats, at least. */
const HEARTBEATS_OF_SILENCE = 3

export class SenderLink implements WritableLink {
  readonly #connection: Connection
  readonly #writer: FrameWriter
  readonly #replies: Receiver
  readonly #flow: StatedFlow
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  #state: LinkState = 'greeting'
  /** Number of the next line on the wire. */
  #next: number
  /** `next` of the last statement. */
  #stated = 0
  /** `through` of the last acknowledgement on this connection. */
  #through = 0
  /** The receiver has reported rejections, and keeps them until it learns that they have arrived. */
  #heardRejections = false
  /** Lines were appended since the last flush. */
  #appended = false
  /** The run appended last: the kernel may still read it from its memory. */
  #last: Run | undefined
  /** Frames went out since the last heartbeat. */
  #spoke = true
  #error: IpcError | undefined
  #answerTimer: NodeJS.Timeout | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #tailTimer: NodeJS.Timeout | undefined
  #silence: SilenceWatch | undefined
  readonly #onReady = (): void => {
    if (this.#last !== undefined) this.#last.held = this.#writer.blocked
    this.#events.onWritable()
  }

  constructor(connection: Connection, flow: StatedFlow, options: LinkOptions, events: LinkEvents) {
    this.#connection = connection
    this.#flow = flow
    this.#options = options
    this.#events = events
    this.#next = flow.lowest
    this.#writer = writerOf(connection)
    this.#writer.register(this.#onReady)
    this.#replies = new Receiver(connection, 'acknowledgements', { maxMessageBytes: MAX_REPLY_BYTES })
  }

  get next(): number {
    return this.#next
  }

  get writable(): boolean {
    return (
      (this.#state === 'acknowledging' || this.#state === 'unacknowledged') &&
      !this.#writer.blocked &&
      this.#writer.failure === undefined
    )
  }

  /** The kernel takes no more for now. */
  get blocked(): boolean {
    return this.#writer.blocked
  }

  /** Resolves when the connection has ended, with the reason if there is one. */
  async run(): Promise<IpcError | undefined> {
    this.#sayNumbers(undefined)
    this.#writer.flush()
    this.#answerTimer = setTimeout(() => {
      // Timers run before input is read, so let the event loop first read an answer that may have arrived meanwhile.
      setImmediate(() => {
        setImmediate(() => {
          this.#onUnanswered()
        })
      })
    }, this.#options.answerTimeoutMs)
    try {
      await this.#listen()
    } catch (error) {
      this.#error ??= error as IpcError
    }
    if (this.#state === 'greeting') this.#error ??= hungUp()
    this.#state = 'ended'
    clearTimeout(this.#answerTimer)
    clearTimeout(this.#tailTimer)
    clearInterval(this.#heartbeat)
    this.#silence?.stop()
    this.#writer.unregister(this.#onReady)
    this.#connection.destroy()
    await this.#connection.whenClosed()
    return this.#error
  }

  /** Ends the connection; `run` resolves. Bytes that the kernel has are still delivered. */
  end(error?: IpcError): void {
    this.#error ??= error
    this.#connection.destroy()
  }

  /** States that nothing is left to be sent, so that the receiver can forget the session. */
  sayDone(): void {
    if (this.#state !== 'acknowledging' || !this.writable) return
    this.#sayNumbers(undefined)
    this.#writer.flush()
  }

  write(run: Run): boolean {
    // Lines that go out alone are written from their own memory.
    if (this.#writer.pending && run.lines.length >= ALONE_BYTES) this.flush()
    if (!this.writable) return false
    run.forEachUnsettled((lines, first, last) => {
      if (first !== this.#next) this.#jumpTo(first)
      this.#writer.appendLines(lines)
      this.#next = last + 1
    })
    this.#appended = true
    this.#last = run
    if (this.#writer.full) this.flush()
    return true
  }

  flush(): void {
    this.#writer.flush()
    if (this.#last !== undefined) this.#last.held = this.#writer.blocked
    if (this.#appended) {
      this.#appended = false
      this.#spoke = true
      this.#stateSoon()
    }
    if (this.#state === 'unacknowledged' && !this.#writer.blocked && this.#writer.failure === undefined) {
      this.#events.onWritten(this.#next - 1)
    }
  }

  #stateSoon(): void {
    if (this.#state === 'acknowledging') this.#tailTimer ??= setTimeout(this.#onTail, TAIL_STATEMENT_MS)
  }

  readonly #onTail = (): void => {
    this.#tailTimer = undefined
    const isTail = this.#next !== this.#stated && this.#through < this.#next - 1
    if (!this.writable || !(isTail || this.#heardRejections)) return
    this.#sayNumbers(undefined)
    this.#writer.flush()
  }

  #jumpTo(next: number): void {
    const gone: NumberRange = [this.#next, next - 1]
    this.#next = next
    this.#sayNumbers(gone)
  }

  /** Appends a statement of the numbers. */
  #sayNumbers(gone: NumberRange | undefined): void {
    const { session, lowestEver } = this.#flow
    const next = this.#next
    this.#writer.append(
      statementMessage({
        session,
        next,
        lowest: Math.min(lowestEver, next),
        heartbeatMs: this.#options.heartbeatMs,
        gone,
      }),
    )
    this.#stated = next
    this.#heardRejections = false
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
    const { through, ranges, greeting } = acknowledgement
    if (this.#state === 'unacknowledged') {
      throw violation('late-answer', 'its first acknowledgement too late: raise answerTimeoutMs')
    }
    if (this.#state === 'greeting' && greeting === undefined) throw otherVersion(undefined)
    if (through < this.#through) throw violation('backwards', 'an acknowledgement before an earlier one')
    this.#through = through
    this.#events.onAcknowledgement(acknowledgement)
    if (this.#state === 'greeting' && greeting !== undefined) this.#onGreeting(greeting)
    if (ranges.some(([, , reason]) => reason !== undefined)) {
      this.#heardRejections = true
      this.#stateSoon()
    }
    this.#events.onWritable()
  }

  #onGreeting(greeting: Greeting): void {
    this.#state = 'acknowledging'
    clearTimeout(this.#answerTimer)
    const { heartbeatMs, peerTimeoutMs } = this.#options
    let spokeAt = monotonicMs()
    this.#heartbeat = setInterval(() => {
      const now = monotonicMs()
      if (this.#spoke) {
        this.#spoke = false
        spokeAt = now
      } else if (now - spokeAt >= heartbeatMs / 2 && this.writable) {
        this.#sayNumbers(undefined)
        this.#writer.flush()
        spokeAt = now
      }
    }, heartbeatMs / 2)
    const limitMs = Math.max(peerTimeoutMs, HEARTBEATS_OF_SILENCE * greeting.heartbeatMs)
    this.#silence = new SilenceWatch(limitMs, {
      heard: () => this.#replies.stats.bytes,
      isListening: () => true,
      onSilent: (forMs) => {
        this.end(silence(`nothing came from it for ${Math.round(forMs)} ms`))
      },
    })
    this.#events.onAnswered(greeting)
  }

  #onUnanswered(): void {
    if (this.#state !== 'greeting') return
    const error = new IpcError(
      'ERR_IPC_TIMEOUT',
      `the peer did not acknowledge within ${this.#options.answerTimeoutMs} ms: it hangs, or it is not an AcknowledgingReceiver`,
      { reason: 'not-acknowledging' },
    )
    if (this.#events.onUnanswered(error) === 'close') {
      this.end(error)
      return
    }
    this.#state = 'unacknowledged'
    this.#silence = new SilenceWatch(this.#options.peerTimeoutMs, {
      heard: () => undefined,
      isListening: () => this.#writer.blocked,
      onSilent: (forMs) => {
        this.end(silence(`it took nothing for ${Math.round(forMs)} ms`))
      },
    })
    this.#events.onWritable()
  }
}

function silence(what: string): IpcError {
  return new IpcError('ERR_IPC_TIMEOUT', `the connection was given up: ${what}`, { reason: 'silent-peer' })
}

function hungUp(): IpcError {
  return new IpcError(
    'ERR_IPC_CLOSED',
    'the peer hung up before it acknowledged: it may refuse this process by policy, or speak another version',
    { reason: 'hung-up' },
  )
}
