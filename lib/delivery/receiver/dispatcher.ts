// Hands out messages to the loops that wait for them, and settles them as the loops and the application decide. Each
// hand-out is tracked separately, for any number of loops and any order of settlement. Must not know connections.
//
// Order: messages are handed out in the order of their numbers. A released message comes again as soon as its delay is over,
// before messages that were never handed out.

import { IpcError } from '../../base/errors.js'
import { copyOf, deliveryOf, type SOCMessage } from '../../message/message.js'
import type { DeadLetters } from './dead-letters.js'
import { DelayQueue } from './delay-queue.js'
import { KeyOrder } from './key-order.js'
import type { AcknowledgingReceiverStats } from './options.js'
import { END, rejection, type Hand, type Reader, type Wait } from './reader.js'
import { ReceivedRun, type Settler } from './received-run.js'
import type { Session } from './session.js'

export interface DispatchOptions {
  /** Whether asking for more accepts the messages that a loop has in hand. */
  readonly autoAck: boolean
  /** Most messages in hand where the application settles them, or where callers share a loop. */
  readonly maxUnacknowledged: number
  readonly maxDeliveries: number
  readonly orderBy: ((message: SOCMessage) => string | undefined) | undefined
}

export interface DispatchEvents {
  /** There is room again after {@link Dispatcher.full}. */
  onRoom(): void
  /** Everything was handed out, and nothing more will come. */
  onFinished(): void
}

type Counts = Pick<
  AcknowledgingReceiverStats,
  | 'received'
  | 'delivered'
  | 'accepted'
  | 'rejected'
  | 'released'
  | 'inHand'
  | 'waiting'
  | 'duplicates'
  | 'superseded'
>

/** A message of a run that waits apart from its run. */
interface Place {
  readonly run: ReceivedRun
  readonly index: number
}

/** Reading stops when this much waits to be handed out, and goes on at half of it. */
const MAX_WAITING = 1024
const MAX_WAITING_BYTES = 1 << 18
/** The size that an error counts for. */
const ERROR_BYTES = 512
/** Most errors that wait. Further ones are counted alone. */
const MAX_ERRORS = 64
/** If a dead letter could not be kept, its message is handed out again after this time. */
const DEAD_LETTER_RETRY_MS = 1000

export class Dispatcher implements Settler {
  readonly #options: DispatchOptions
  readonly #deadLetters: DeadLetters
  readonly #events: DispatchEvents
  #session: Session | undefined
  /** Messages and errors in the order read; handed out up to #head. */
  #queue: (ReceivedRun | IpcError)[] = []
  #head = 0
  #errors = 0
  /** Messages to be handed out before the queue: released, or held back until now. */
  #again: Place[] = []
  readonly #delayed = new DelayQueue<Place>((places) => {
    this.#again.push(...places)
    this.#serve()
  })
  /** By number: in hand at an earlier connection of the session. */
  readonly #aside = new Map<number, Place>()
  readonly #keys: KeyOrder<Place> | undefined
  #parked = 0
  /** Numbers of rejected messages that are not kept as dead letters yet. */
  readonly #unkept = new Set<number>()
  #waits: Wait[] = []
  /** Runs with messages in hand. */
  readonly #runs = new Set<ReceivedRun>()
  #state: 'open' | 'ended' | 'closed' = 'open'
  #finished = false
  #waitingBytes = 0
  #wasFull = false
  #last = 0
  #counts = {
    received: 0,
    delivered: 0,
    accepted: 0,
    rejected: 0,
    released: 0,
    inHand: 0,
    waiting: 0,
    duplicates: 0,
    superseded: 0,
  }

  constructor(options: DispatchOptions, deadLetters: DeadLetters, events: DispatchEvents) {
    this.#options = options
    this.#deadLetters = deadLetters
    this.#events = events
    this.#keys = options.orderBy === undefined ? undefined : new KeyOrder<Place>(options.orderBy)
  }

  /** Number of the message that was handed out last; 0: none yet. */
  get last(): number {
    return this.#last
  }

  get counts(): Counts {
    return { ...this.#counts }
  }

  /** Enough waits to be handed out: reading stops until `onRoom`. */
  get full(): boolean {
    const { waiting } = this.#counts
    const full = this.#wasFull
      ? waiting > MAX_WAITING / 2 || this.#waitingBytes > MAX_WAITING_BYTES / 2
      : waiting >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES
    return (this.#wasFull = full && this.#state === 'open')
  }

  /** A loop waits for messages. */
  get isWanted(): boolean {
    return this.#waits.length > 0
  }

  /** From now on messages belong to this session. */
  begin(session: Session): void {
    this.#session = session
  }

  /** Messages have come, with the numbers from `first` on; 0: they have none. */
  add(messages: SOCMessage[], first: number, bytes: number): void {
    this.#counts.received += messages.length
    if (this.#state === 'closed') {
      this.#counts.superseded += messages.length
      return
    }
    this.#counts.waiting += messages.length
    this.#waitingBytes += bytes
    this.#queue.push(new ReceivedRun(this, messages, first, bytes))
    this.#serve()
  }

  /** Returns whether one more error would be kept. */
  get takesErrors(): boolean {
    return this.#errors < MAX_ERRORS && this.#state === 'open'
  }

  /** An error, at its place between the messages. */
  addError(error: IpcError): void {
    ++this.#errors
    this.#waitingBytes += ERROR_BYTES
    this.#queue.push(error)
    this.#serve()
  }

  /** The next message for a loop, or the next run. */
  next(reader: Reader, one: boolean): Promise<IteratorResult<SOCMessage | SOCMessage[], undefined>> {
    if (reader.hasLeft) return Promise.resolve(END)
    for (const hand of reader.ask()) this.#finish(hand)
    const answer = new Promise<IteratorResult<SOCMessage | SOCMessage[], undefined>>((resolve) => {
      this.#waits.push({ reader, one, answer: resolve })
    })
    this.#serve()
    return answer
  }

  /** Ends the calls of a loop that was left, and releases its messages in hand. */
  leave(reader: Reader): void {
    reader.hasLeft = true
    const left = this.#waits.filter((wait) => wait.reader === reader)
    this.#waits = this.#waits.filter((wait) => wait.reader !== reader)
    for (const { answer } of left) answer(END)
    for (const { run, begin, end } of reader.takeHeld()) {
      for (let index = begin; index < end; ++index) if (run.isInHand(index)) this.release(run, index, 0)
    }
  }

  /** Accepts messages that the application has finished. Messages that are not in hand are ignored. */
  accept(messages: readonly SOCMessage[]): void {
    for (let i = 0; i < messages.length;) {
      const run = deliveryOf(messages[i] as SOCMessage)
      if (!(run instanceof ReceivedRun) || !run.isOf(this)) {
        ++i
        continue
      }
      const begin = run.indexOf(messages[i] as SOCMessage)
      let end = begin
      // Settle consecutive messages together.
      while (i < messages.length && run.isInHand(end) && run.messages[end] === messages[i]) {
        ++end
        ++i
      }
      if (end > begin) {
        this.#finish({ run, begin, end })
        // A loop still holds these messages: when it asks for more, it must not settle them again.
        if (this.#options.autoAck) run.noteSettledApart()
      } else {
        ++i
      }
    }
    this.#serve()
  }

  release(run: ReceivedRun, index: number, delayMs: number): void {
    const deliveries = run.deliveriesAt(index)
    if (deliveries >= this.#options.maxDeliveries) {
      this.#refuse(run, index, 'max-deliveries')
      return
    }
    ++this.#counts.released
    this.#finishOne(run, index)
    this.#takeBack(run, index, delayMs)
    this.#serve()
  }

  reject(run: ReceivedRun, index: number, reason: string): void {
    this.#refuse(run, index, reason)
    this.#serve()
  }

  /** Messages in hand elsewhere were settled or released. */
  onFreed(): void {
    const session = this.#session
    for (const [number, place] of this.#aside) {
      if (session?.isInHandElsewhere(number) === true) continue
      this.#aside.delete(number)
      if (session?.isSettled(number) === true) this.#drop(place, 'duplicates')
      else this.#again.push(place)
    }
    this.#serve()
  }

  /** Releases the messages that the application has in hand and discards those that wait. Hands out nothing more. */
  close(): void {
    this.#state = 'closed'
    this.#clear()
    for (const run of this.#runs) for (const index of run.inHand()) this.release(run, index, 0)
    this.end()
  }

  /**
   * Discards waiting messages: another connection brings them. Returns the numbers that the application has in hand.
   */
  fence(): number[] {
    this.#state = 'closed'
    this.#clear()
    const numbers = this.numbersInHand()
    this.end()
    return numbers
  }

  /** The numbers that the application has in hand, and those that are being kept as dead letters. */
  numbersInHand(): number[] {
    const numbers = [...this.#unkept]
    for (const run of this.#runs) {
      if (run.isNumbered) for (const index of run.inHand()) numbers.push(run.first + index)
    }
    return numbers
  }

  /** Ends the input. Messages already read are still handed out. */
  end(): void {
    if (this.#state === 'open') this.#state = 'ended'
    if (this.#session !== undefined) this.#clearAgain()
    this.#serve()
  }

  #serve(): void {
    while (this.#waits.length > 0) {
      const { reader, one, answer } = this.#waits[0] as Wait
      const room = this.#roomFor(reader)
      const next = room > 0 ? this.#take(one, room) : undefined
      if (next === undefined && !(room > 0 && this.#isFinished())) break
      this.#waits.shift()
      reader.answered()
      if (next === undefined) answer(END)
      else if (next instanceof IpcError) answer(rejection(next))
      else answer({ value: this.#handOut(next, reader, one), done: false })
    }
    if (this.#wasFull && !this.full) this.#events.onRoom()
    if (!this.#finished && this.#state !== 'open' && this.#isFinished()) {
      this.#finished = true
      this.#events.onFinished()
    }
  }

  #isFinished(): boolean {
    return (
      this.#state !== 'open' &&
      this.#head === this.#queue.length &&
      this.#again.length + this.#delayed.size + this.#parked === 0
    )
  }

  /** Messages that may be handed out to a loop before something is settled. */
  #roomFor(reader: Reader): number {
    const { autoAck, maxUnacknowledged } = this.#options
    if (!autoAck) return Math.max(0, maxUnacknowledged - this.#counts.inHand)
    if (!reader.isShared) return Infinity
    if (reader.heldMessages >= maxUnacknowledged) reader.forgetSettled()
    return Math.max(0, maxUnacknowledged - reader.heldMessages)
  }

  /** The next messages or error; undefined if there is none now. */
  #take(one: boolean, room: number): Hand | IpcError | undefined {
    for (let place = this.#again.shift(); place !== undefined; place = this.#again.shift()) {
      const { run, index } = place
      const number = run.first + index
      if (run.isNumbered && this.#session?.isSettled(number) === true) this.#drop(place, 'duplicates')
      else if (run.isNumbered && this.#session?.isInHandElsewhere(number) === true)
        this.#putAside(number, place)
      else return { run, begin: index, end: index + 1 }
    }
    for (;;) {
      const entry = this.#queue[this.#head]
      if (entry === undefined) return undefined
      if (entry instanceof IpcError) {
        --this.#errors
        this.#waitingBytes -= ERROR_BYTES
        this.#advance()
        return entry
      }
      const hand = this.#takeFrom(entry, one, room)
      if (hand === 'blocked') return undefined
      if (entry.next === entry.count) this.#advance()
      if (hand !== undefined) return hand
    }
  }

  #advance(): void {
    if (++this.#head < this.#queue.length) {
      if (this.#head < MAX_WAITING) return
      this.#queue = this.#queue.slice(this.#head)
    } else {
      this.#queue = []
    }
    this.#head = 0
  }

  #takeFrom(run: ReceivedRun, one: boolean, room: number): Hand | 'blocked' | undefined {
    const session = run.isNumbered ? this.#session : undefined
    if (this.#keys === undefined && (session === undefined || session.isNews(run.first + run.next))) {
      const begin = run.next
      const end = one ? begin + 1 : Math.min(run.count, begin + room)
      run.next = end
      return { run, begin, end }
    }
    while (run.next < run.count) {
      const index = run.next
      const number = run.first + index
      const place = { run, index }
      const isElsewhere = session?.isInHandElsewhere(number) === true
      if (session?.isSettled(number) === true) {
        ++run.next
        this.#drop(place, 'duplicates')
        continue
      }
      if (isElsewhere && this.#options.autoAck) return 'blocked'
      // A message in hand elsewhere takes its key as well: later ones of the key must wait for it.
      const claim = this.#keys?.claim(messageAt(place), place)
      if (claim === 'waits') {
        ++run.next
        ++this.#parked
      } else if (claim === 'abandoned') {
        ++run.next
        this.#drop(place, 'superseded')
      } else if (isElsewhere) {
        ++run.next
        this.#putAside(number, place)
      } else {
        run.next = one || this.#keys !== undefined ? index + 1 : this.#endOfPlain(run, session, index, room)
        return { run, begin: index, end: run.next }
      }
    }
    return undefined
  }

  /** A message is in hand at an earlier connection. If this connection has ended, the next one brings it. */
  #putAside(number: number, place: Place): void {
    if (this.#state === 'open') this.#aside.set(number, place)
    else this.#supersede(place)
  }

  /** The end of the messages from `index` on that can be handed out together. A released one goes alone. */
  #endOfPlain(run: ReceivedRun, session: Session | undefined, index: number, room: number): number {
    const isPlain = (at: number): boolean =>
      session === undefined ||
      (session.releasesOf(run.first + at) === 0 &&
        !session.isSettled(run.first + at) &&
        !session.isInHandElsewhere(run.first + at))
    if (!isPlain(index)) return index + 1
    const most = Math.min(run.count, index + room)
    let end = index + 1
    while (end < most && isPlain(end)) ++end
    return end
  }

  #handOut(hand: Hand, reader: Reader, one: boolean): SOCMessage | SOCMessage[] {
    const { run, begin, end } = hand
    const count = end - begin
    run.handOut(begin, end)
    this.#runs.add(run)
    this.#uncount(run, count)
    this.#counts.inHand += count
    this.#counts.delivered += count
    if (run.isNumbered) {
      const session = this.#session as Session
      session.noteInHand(count)
      if (count === 1) run.noteDeliveries(begin, session.releasesOf(run.first + begin) + 1)
      this.#last = run.first + end - 1
    }
    if (this.#options.autoAck) reader.hold(hand)
    return one ? (run.messages[begin] as SOCMessage) : run.messages.slice(begin, end)
  }

  #finish({ run, begin, end }: Hand): void {
    run.finish(begin, end, (from, to) => {
      this.#counts.inHand -= to - from
      this.#counts.accepted += to - from
      if (run.isNumbered) this.#session?.accept(run.first + from, run.first + to - 1)
      if (this.#keys !== undefined) for (let index = from; index < to; ++index) this.#freeKey(run, index)
    })
    if (run.left === 0) this.#runs.delete(run)
  }

  /** A message in hand comes back: a copy of it waits here, or another connection brings it. */
  #takeBack(run: ReceivedRun, index: number, delayMs: number): void {
    const message = run.messages[index] as SOCMessage
    --this.#counts.inHand
    if (run.isNumbered) this.#session?.release(run.first + index)
    if (this.#state === 'closed' || (this.#state === 'ended' && run.isNumbered)) {
      this.#abandonKey({ run, index })
      ++this.#counts.superseded
      return
    }
    const copy = copyOf(message)
    const again = new ReceivedRun(this, [copy], run.isNumbered ? run.first + index : 0, run.bytesEach)
    if (!run.isNumbered) again.noteDeliveries(0, run.deliveriesAt(index) + 1)
    again.next = 1
    this.#keys?.move(message, copy)
    ++this.#counts.waiting
    this.#waitingBytes += again.bytes
    const place = { run: again, index: 0 }
    if (delayMs > 0) this.#delayed.add(place, delayMs)
    else this.#again.push(place)
  }

  #refuse(run: ReceivedRun, index: number, reason: string): void {
    const message = run.messages[index] as SOCMessage
    const deliveries = run.deliveriesAt(index)
    const number = run.isNumbered ? run.first + index : undefined
    const settle = (): void => {
      --this.#counts.inHand
      ++this.#counts.rejected
      if (run.isNumbered) this.#session?.reject(run.first + index, reason, true)
      this.#freeKey(run, index)
    }
    const kept = this.#deadLetters.keep({ message, reason, deliveries })
    this.#finishOne(run, index)
    if (kept === undefined) {
      settle()
      return
    }
    // Until the letter is kept, the message counts as in hand, so that the next connection does not hand it out.
    if (number !== undefined) this.#unkept.add(number)
    void kept.then(
      () => {
        if (number !== undefined) this.#unkept.delete(number)
        settle()
        this.#serve()
      },
      () => {
        if (number !== undefined) this.#unkept.delete(number)
        ++this.#counts.released
        this.#takeBack(run, index, DEAD_LETTER_RETRY_MS)
        this.#serve()
      },
    )
  }

  #finishOne(run: ReceivedRun, index: number): void {
    run.finishOne(index)
    if (run.left === 0) this.#runs.delete(run)
  }

  #freeKey(run: ReceivedRun, index: number): void {
    if (this.#keys === undefined) return
    const next = this.#keys.free(run.messages[index] as SOCMessage, messageAt)
    if (next === undefined) return
    --this.#parked
    this.#again.push(next)
  }

  /** The next connection carries this message again, and later ones of its key follow it. Drops the later ones that wait here. */
  #abandonKey(place: Place): void {
    for (const later of this.#keys?.abandon(messageAt(place)) ?? []) {
      --this.#parked
      this.#drop(later, 'superseded')
    }
  }

  #supersede(place: Place): void {
    this.#abandonKey(place)
    this.#drop(place, 'superseded')
  }

  /** A message that waits will not be handed out here. */
  #drop({ run, index }: Place, why: 'duplicates' | 'superseded'): void {
    run.finishOne(index)
    this.#uncount(run, 1)
    ++this.#counts[why]
    this.#freeKey(run, index)
  }

  #uncount(run: ReceivedRun, messages: number): void {
    this.#counts.waiting -= messages
    this.#waitingBytes -= run.bytesEach * messages
  }

  #clear(): void {
    for (const entry of this.#queue.slice(this.#head)) {
      if (entry instanceof IpcError) continue
      for (let index = entry.next; index < entry.count; ++index)
        this.#drop({ run: entry, index }, 'superseded')
      entry.next = entry.count
    }
    // Errors stay, to be reported.
    this.#queue = this.#queue.slice(this.#head).filter((entry) => entry instanceof IpcError)
    this.#head = 0
    const parked = this.#keys?.clear() ?? []
    this.#parked = 0
    for (const place of parked) this.#drop(place, 'superseded')
    this.#clearAgain()
  }

  /** The next connection brings the messages that came back. Messages that wait behind one in hand stay, in their order. */
  #clearAgain(): void {
    const places = [...this.#again, ...this.#delayed.clear(), ...this.#aside.values()]
    this.#again = []
    this.#aside.clear()
    for (const place of places) this.#supersede(place)
  }
}

function messageAt({ run, index }: Place): SOCMessage {
  return run.messages[index] as SOCMessage
}
