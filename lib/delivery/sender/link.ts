// One connection of an acknowledged sender: writes lines, reads acknowledgements, and notices when the peer falls
// silent. Must not know the connections before and after it.
//
//     greeting ── first acknowledgement ──> acknowledging ──┐
//        └── answerTimeoutMs passed ──> unacknowledged ─────┴──> ended

import { writerOf, type Connection } from '../../connection/connection.js'
import { IpcError } from '../../base/errors.js'
import { clearTimeout, setTimeout } from '../../base/globals.js'
import type { FrameWriter } from '../../wire/frame-writer.js'
import { afterRound, clearRound, type RoundEnd } from '../../wire/turn.js'
import type { SOCMessage } from '../../message/message.js'
import { Receiver } from '../../endpoints/receiver.js'
import { ControlBudget } from '../protocol/control-budget.js'
import {
  isControl,
  otherVersion,
  parseAcknowledgement,
  violation,
  type Acknowledgement,
  type Greeting,
} from '../protocol/control.js'
import { SilenceWatch } from '../protocol/silence-watch.js'
import type { WritableLink } from './backlog.js'
import type { Run } from './run.js'
import { Statements, type StatedFlow } from './statements.js'

export interface LinkOptions {
  readonly heartbeatMs: number
  readonly peerTimeoutMs: number
  readonly answerTimeoutMs: number
}

/** The events of a link, for its sender. */
export interface LinkEvents {
  /** Called when the peer has acknowledged for the first time. */
  onAnswered(greeting: Greeting): void
  /**
   * Called when the peer did not acknowledge in time. Returns `written` to continue without acknowledgements, or
   * `close` to close the connection.
   */
  onUnanswered(error: IpcError): 'written' | 'close'
  /**
   * Called with each acknowledgement. Returns how many messages it settles.
   *
   * @throws {IpcError} if the acknowledgement contradicts what was sent
   */
  onAcknowledgement(acknowledgement: Acknowledgement): number
  /** Called when the kernel has every line through this number, for a peer that does not acknowledge. */
  onWritten(through: number): void
  /** Called when more can be written. */
  onWritable(): void
}

type LinkState = 'greeting' | 'acknowledging' | 'unacknowledged' | 'ended'

/** For more bytes than this, another system call costs less than copying. */
const ALONE_BYTES = 1 << 15
/** An acknowledgement is short, even with 64 ranges and reasons. */
const MAX_REPLY_BYTES = 1 << 16
/**
 * Maximum number of acknowledgements at once that settle nothing. After a reconnect, a receiver repeats the rejections
 * that it remembers: up to 2^17, with 64 in each acknowledgement.
 */
const IDLE_ACK_BURST = 2200
/** A peer is considered silent after this many of its own heartbeat intervals, at least. */
const HEARTBEATS_OF_SILENCE = 3

export class SenderLink implements WritableLink {
  readonly #connection: Connection
  readonly #writer: FrameWriter
  readonly #replies: Receiver
  readonly #statements: Statements
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  #state: LinkState = 'greeting'
  /** `through` of the last acknowledgement on this connection. */
  #through = 0
  /** Whether lines were appended since the last flush. */
  #appended = false
  /** The run appended last: the kernel may still read it from its memory. */
  #last: Run | undefined
  readonly #budget = new ControlBudget(IDLE_ACK_BURST, 'acknowledgements that settle nothing')
  #error: IpcError | undefined
  #answerTimer: NodeJS.Timeout | undefined
  #answerRound: RoundEnd | undefined
  #silence: SilenceWatch | undefined
  readonly #onReady = (): void => {
    if (this.#last !== undefined) this.#last.held = this.#writer.blocked
    this.#events.onWritable()
  }

  constructor(connection: Connection, flow: StatedFlow, options: LinkOptions, events: LinkEvents) {
    this.#connection = connection
    this.#options = options
    this.#events = events
    this.#writer = writerOf(connection)
    this.#statements = new Statements(this.#writer, flow, options.heartbeatMs, () => this.writable)
    this.#writer.register(this.#onReady)
    this.#replies = new Receiver(connection, 'acknowledgements', { maxMessageBytes: MAX_REPLY_BYTES })
  }

  get next(): number {
    return this.#statements.next
  }

  get writable(): boolean {
    return (
      (this.#state === 'acknowledging' || this.#state === 'unacknowledged') &&
      !this.#writer.blocked &&
      this.#writer.failure === undefined
    )
  }

  /** Whether the kernel accepts no more for now. */
  get blocked(): boolean {
    return this.#writer.blocked
  }

  /** Resolves when the connection has ended, with the reason if there is one. */
  async run(): Promise<IpcError | undefined> {
    this.#statements.begin()
    this.#writer.flush()
    this.#answerTimer = setTimeout(() => {
      // An answer may have arrived that has not been read.
      this.#answerRound = afterRound(() => {
        this.#onUnanswered()
      })
    }, this.#options.answerTimeoutMs)
    try {
      await this.#listen()
    } catch (error) {
      this.#error ??= error as IpcError
    }
    if (this.#state === 'greeting') this.#error ??= hungUp()
    this.#state = 'ended'
    this.#stopAnswerTimer()
    this.#statements.stop()
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
    if (this.#state === 'acknowledging') this.#statements.sayNow()
  }

  write(run: Run): boolean {
    // Lines that go out alone are written from their own memory.
    if (this.#writer.pending && run.lines.length >= ALONE_BYTES) this.flush()
    if (!this.writable) return false
    run.forEachUnsettled((lines, first, last) => {
      this.#statements.onLines(first, last)
      this.#writer.appendLines(lines)
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
      this.#statements.onFlushed()
    }
    if (this.#state === 'unacknowledged' && !this.#writer.blocked && this.#writer.failure === undefined) {
      this.#events.onWritten(this.#statements.next - 1)
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
    const { through, ranges, greeting } = acknowledgement
    if (this.#state === 'unacknowledged') {
      throw violation('late-answer', 'its first acknowledgement too late: raise answerTimeoutMs')
    }
    if (this.#state === 'greeting' && greeting === undefined) throw otherVersion(undefined)
    if (through < this.#through) throw violation('backwards', 'an acknowledgement before an earlier one')
    this.#through = through
    const settled = this.#events.onAcknowledgement(acknowledgement)
    if (settled > 0) this.#budget.earn(settled)
    else this.#budget.spend()
    if (this.#state === 'greeting' && greeting !== undefined) this.#onGreeting(greeting)
    this.#statements.onAcknowledgement(
      through,
      ranges.some(([, , reason]) => reason !== undefined),
    )
    this.#events.onWritable()
  }

  #onGreeting(greeting: Greeting): void {
    this.#state = 'acknowledging'
    this.#stopAnswerTimer()
    this.#statements.start()
    const limitMs = Math.max(this.#options.peerTimeoutMs, HEARTBEATS_OF_SILENCE * greeting.heartbeatMs)
    this.#silence = new SilenceWatch(limitMs, {
      heard: () => this.#replies.stats.bytes,
      isListening: () => true,
      onSilent: (forMs) => {
        this.end(silence(`nothing came from it for ${Math.round(forMs)} ms`))
      },
    })
    this.#events.onAnswered(greeting)
  }

  #stopAnswerTimer(): void {
    clearTimeout(this.#answerTimer)
    clearRound(this.#answerRound)
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
  return new IpcError('ERR_IPC_TIMEOUT', `the connection was closed: ${what}`, { reason: 'silent-peer' })
}

function hungUp(): IpcError {
  return new IpcError(
    'ERR_IPC_CLOSED',
    'the peer hung up before it acknowledged: it may refuse this process by policy, or speak another version',
    { reason: 'hung-up' },
  )
}
