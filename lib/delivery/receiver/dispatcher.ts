// Hands out messages to waiting loops: decides which call gets messages, and when the stream is finished. Must not know
// connections.
//
// Order: messages are handed out in the order of their numbers. A released message comes again as soon as its delay is
// over, before messages that were never handed out.
//
//     open ──the input ends──> ended ──close────────────────────> closed     (nothing more is read; then nothing more is
//       └──close, fence, the application destroys the connection───^          handed out)

import { abortable } from '../../base/abort.js'
import { abortedError, IpcError, rejected } from '../../base/errors.js'
import { HeldReads, type HeldRead } from '../../message/held-reads.js'
import type { SOCMessage } from '../../message/message.js'
import { coldStart, type ColdServer } from './cold-start.js'
import type { DeadLetters } from './dead-letters.js'
import { keysOf } from './key-order.js'
import { END, rejection, type Hand, type Reader, type Result, type Wait } from './reader.js'
import { ReceivedRun } from './received-run.js'
import { ReturnedMessages } from './returned-messages.js'
import { Selection } from './selection.js'
import type { Session } from './session.js'
import { Settlements } from './settlements.js'
import { Tally, type Counts } from './tally.js'

export interface DispatchOptions {
  /** Name of the receiver, for errors. */
  readonly name: string
  /** Whether asking for more accepts the messages that a loop has in hand. */
  readonly autoAck: boolean
  /** Maximum number of messages in hand if the application settles them. */
  readonly maxUnacknowledged: number
  readonly maxDeliveries: number
  readonly orderBy: ((message: SOCMessage) => string | undefined) | undefined
}

export interface DispatchEvents {
  /** Returns whether the application has destroyed the connection, so that nothing more is to be handed out. */
  isDestroyed(): boolean
  /** Called when there is room again after {@link Dispatcher.full}. */
  onRoom(): void
  /** Called when everything was handed out and nothing more will arrive. */
  onFinished(): void
  /** Called when the messages that wait or are in hand take more bytes, or fewer (negative). */
  onHeld(bytes: number): void
}

export class Dispatcher implements ColdServer {
  readonly #options: DispatchOptions
  readonly #events: DispatchEvents
  readonly #tally = new Tally()
  readonly #reads = new HeldReads()
  /** The bytes of {@link #reads} as last reported. */
  #reported = 0
  readonly #returned: ReturnedMessages
  readonly #selection: Selection
  readonly #settlements: Settlements
  #session: Session | undefined
  #waits: Wait[] = []
  #state: 'open' | 'ended' | 'closed' = 'open'
  #finished = false
  #last = 0

  constructor(options: DispatchOptions, deadLetters: DeadLetters, events: DispatchEvents) {
    this.#options = options
    this.#events = events
    const serve = (): void => {
      this.#serve()
    }
    this.#returned = new ReturnedMessages(this.#tally, options.orderBy !== undefined, serve)
    this.#selection = new Selection(this.#tally, this.#returned, {
      waitsForEarlier: options.autoAck,
      isOpen: () => this.#state === 'open',
    })
    this.#settlements = new Settlements(this.#tally, this.#returned, deadLetters, {
      maxDeliveries: options.maxDeliveries,
      waitsHere: (run) => this.#state === 'open' || (this.#state === 'ended' && !run.isNumbered),
      onSettled: serve,
    })
  }

  /** Number of the message that was handed out last; 0: none yet. */
  get last(): number {
    return this.#last
  }

  get counts(): Counts {
    return this.#tally.counts
  }

  /** Messages that were discarded and do not come again. */
  get lost(): number {
    return this.#tally.lost
  }

  /** Whether enough messages wait to be handed out, so that reading stops until `onRoom`. */
  get full(): boolean {
    return this.#tally.isFull(this.#state === 'open')
  }

  /** Whether a loop waits for messages. */
  get isWanted(): boolean {
    return this.#waits.length > 0
  }

  /** Whether one more error would be kept. */
  get takesErrors(): boolean {
    return this.#selection.takesErrors && this.#state === 'open'
  }

  /** Sets the session of the following messages. */
  begin(session: Session): void {
    this.#session = session
    this.#selection.begin(session)
    this.#settlements.begin(session)
  }

  /** Begins a read, whose messages together take this much memory. */
  beginRead(bytes: number): HeldRead {
    return this.#reads.begin(bytes)
  }

  /** Adds messages with the numbers from `first` on; 0 if they have no numbers. */
  add(messages: SOCMessage[], first: number, bytes: number, read: HeldRead): void {
    const { orderBy } = this.#options
    // Before any state changes: the application may close this receiver in the callback.
    const keys = orderBy === undefined ? undefined : keysOf(orderBy, messages)
    this.#tally.received += messages.length
    if (this.#state === 'closed') {
      this.#tally.supersede(messages.length, first !== 0)
      return
    }
    this.#selection.addRun(new ReceivedRun(this.#settlements, messages, first, bytes, { keys, read }))
    this.#serve()
  }

  /** Adds an error at its place between the messages. */
  addError(error: IpcError): void {
    this.#selection.addError(error)
    this.#serve()
  }

  /**
   * Returns the next message for a loop, or the next run.
   *
   * @throws TypeError for an overlapping call of a loop with `autoAck`, because it would be unclear which message is
   *   finished
   */
  next(
    reader: Reader,
    one: boolean,
    signal: AbortSignal | undefined,
  ): Promise<IteratorResult<SOCMessage | SOCMessage[], undefined>> {
    if (reader.hasLeft) return Promise.resolve(END)
    const { autoAck, name } = this.#options
    if (autoAck && reader.isBusy) return rejected(overlapping(name))
    if (signal?.aborted === true) return rejected(abortedError(signal, `next of ${name}`))
    const held = reader.ask()
    if (held !== undefined) this.#settlements.finish(held)
    const answer =
      signal === undefined
        ? new Promise<Result>((resolve) => {
            this.#waits.push({ reader, one, answer: resolve })
          })
        : this.#withdrawable(reader, one, signal)
    this.#serve()
    return answer
  }

  /** Ends the calls of a loop that was left, and releases its messages in hand. */
  leave(reader: Reader): void {
    reader.hasLeft = true
    const left = this.#waits.filter((wait) => wait.reader === reader)
    this.#waits = this.#waits.filter((wait) => wait.reader !== reader)
    for (const { answer } of left) answer(END)
    const held = reader.takeHeld()
    if (held !== undefined) this.#settlements.releaseHand(held)
  }

  /** Accepts messages that the application has finished. Messages that are not in hand are ignored. */
  accept(messages: readonly SOCMessage[]): void {
    this.#settlements.accept(messages, this.#options.autoAck)
  }

  /** Call when messages in hand elsewhere were settled or released. */
  onFreed(): void {
    this.#returned.onFreed(this.#session)
    this.#serve()
  }

  /** Hands out what had to wait for a turn of the event loop. */
  onTurn(): void {
    this.#serve()
  }

  /** Releases the messages that the application has in hand and discards those that wait. Hands out nothing more. */
  close(): void {
    this.#state = 'closed'
    this.#selection.discard()
    this.#settlements.releaseAll()
    this.end()
  }

  /**
   * Discards waiting messages, because another connection carries them now. Returns the numbers that the application
   * has in hand.
   */
  fence(): number[] {
    this.#state = 'closed'
    this.#selection.discard()
    const numbers = this.numbersInHand()
    this.end()
    return numbers
  }

  /** Returns the numbers of messages that the application has in hand, or that are being stored as dead letters. */
  numbersInHand(): number[] {
    return this.#settlements.numbersInHand()
  }

  /** Returns how many of these numbers the application has in hand. */
  countInHand(first: number, last: number): number {
    return this.#settlements.countInHand(first, last)
  }

  /** Ends the input. Messages already read are still handed out. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ended'
    if (this.#session !== undefined) this.#returned.dropReturned()
    this.#serve()
  }

  /** Makes a call that its signal can withdraw. A message that arrives later goes to the next call. */
  #withdrawable(reader: Reader, one: boolean, signal: AbortSignal): Promise<Result> {
    return abortable<Result>(signal, `next of ${this.#options.name}`, (resolve) => {
      // With a promise that rejects, this rejects the call.
      const wait: Wait = { reader, one, answer: resolve as Wait['answer'] }
      this.#waits.push(wait)
      return () => {
        this.#waits = this.#waits.filter((other) => other !== wait)
        reader.withdraw()
      }
    })
  }

  #serve(): void {
    if (this.#state !== 'closed' && this.#events.isDestroyed()) {
      this.#state = 'closed'
      this.#selection.discard()
    }
    while (this.#waits.length > 0) {
      const { reader, one, answer } = this.#waits[0] as Wait
      if (one && coldStart.mustWait(this)) break
      const room = this.#room()
      const next = room > 0 ? this.#selection.take(one, room) : undefined
      if (next === undefined && !(room > 0 && this.#isFinished())) break
      this.#waits.shift()
      reader.answered()
      if (next === undefined) answer(END)
      else if ('run' in next) answer({ value: this.#handOut(next, reader, one), done: false })
      else answer(rejection(next))
    }
    this.#reportHeld()
    if (this.#tally.wasFull && !this.full) this.#events.onRoom()
    if (!this.#finished && this.#state !== 'open' && this.#isFinished()) {
      this.#finished = true
      this.#events.onFinished()
    }
  }

  /**
   * Reports how the held bytes have changed. Called at the end of a step: a released message leaves one run and enters
   * another, and the difference in between must not be reported.
   */
  #reportHeld(): void {
    const change = this.#reads.bytes - this.#reported
    if (change === 0) return
    this.#reported += change
    this.#events.onHeld(change)
  }

  #isFinished(): boolean {
    return this.#state !== 'open' && this.#selection.isEmpty
  }

  /** Returns how many messages may be handed out before something is settled. */
  #room(): number {
    const { autoAck, maxUnacknowledged } = this.#options
    return autoAck ? Infinity : Math.max(0, maxUnacknowledged - this.#tally.inHand)
  }

  #handOut(hand: Hand, reader: Reader, one: boolean): SOCMessage | SOCMessage[] {
    const { run, begin, end } = hand
    this.#settlements.handOut(hand)
    if (run.isNumbered) this.#last = run.first + end - 1
    if (this.#options.autoAck) reader.hold(hand)
    if (one) coldStart.noteHandOut()
    return one ? (run.messages[begin] as SOCMessage) : run.messages.slice(begin, end)
  }
}

function overlapping(name: string): TypeError {
  return new TypeError(
    `next of ${name}: the call before is still under way, and asking again would accept its message (autoAck). ` +
      'Give each worker a loop of its own (for await, batches()), use handle(), or construct the receiver with ' +
      'autoAck: false and acknowledge each message',
  )
}
