// Checks the numbers that one connection states against each other and against the session. A number missing between
// two stated ones belongs to a line that was refused here; any other hole violates the protocol.

import { ControlBudget } from '../protocol/control-budget.js'
import { violation, type NumberRange, type Statement } from '../protocol/control.js'
import { MAX_REMEMBERED, type Session } from './session.js'

/** Called for numbers without a message. */
export interface FlowEvents {
  /** Called when the sender gave up messages. `messages` is the number of them that this process had not settled. */
  onLost(messages: number): void
  /** Called when the number of a refused line is known and was rejected. */
  onRefused(): void
}

/**
 * Maximum number of statements at once. An honest sender states a jump in front of a line, and otherwise a few numbers
 * a second.
 */
const STATEMENT_BURST = 64
/** Maximum number of refused lines whose numbers are not known yet. */
const MAX_REFUSALS = 4096

export class NumberFlow {
  readonly session: Session
  readonly #events: FlowEvents
  /** Number of the next line. */
  #expected: number
  /** Reasons of refused lines since the last stated number. */
  #refusals: string[] = []
  readonly #budget = new ControlBudget(STATEMENT_BURST, 'statements')

  constructor(session: Session, { lowest, next }: Statement, events: FlowEvents) {
    this.session = session
    this.#events = events
    this.#lose(session.state(lowest))
    this.#expected = next
  }

  /**
   * Call when lines with the numbers from `first` on have arrived.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE for numbers that no honest sender states
   */
  onLines(first: number, count: number): void {
    if (first < this.#expected) {
      throw first === 0
        ? violation('number-missing', 'a line without a number after it had stated numbers')
        : violation('backwards', `number ${first} after number ${this.#expected - 1}`)
    }
    if (first > this.#expected || this.#refusals.length > 0) this.#refuse(first - 1)
    this.#expected = first + count
    this.#budget.earn(count)
    this.#checkLimits()
  }

  /** Call when a line was refused before its number could be read. */
  onRefusal(reason: string): void {
    this.#budget.earn(1)
    if (this.#refusals.push(reason) > MAX_REFUSALS) {
      throw violation('refusals', `more than ${MAX_REFUSALS} invalid lines in a row`)
    }
  }

  /** @throws {IpcError} ERR_IPC_INVALID_MESSAGE for a statement that contradicts the connection so far */
  onStatement({ session, next, lowest, gone }: Statement): void {
    this.#budget.spend()
    if (session !== this.session.id) {
      throw violation('other-session', 'a statement about another session on the same connection')
    }
    if (next < this.#expected) {
      throw violation(
        'backwards',
        `a statement that number ${next} comes next, after number ${this.#expected - 1}`,
      )
    }
    if (gone !== undefined) this.#giveUp(gone)
    this.#refuse(next - 1)
    this.#expected = next
    this.#lose(this.session.state(lowest))
    this.#checkLimits()
  }

  #giveUp([first, last]: NumberRange): void {
    // A sender gives up numbers in order to skip them, so an earlier range is not about this connection.
    if (first < this.#expected) {
      throw violation(
        'backwards',
        `a statement that gives up number ${first}, after number ${this.#expected - 1}`,
      )
    }
    // Numbers before the range belong to refused lines; otherwise they would be holes.
    if (first > this.#expected) this.#refuse(first - 1)
    this.#lose(this.session.giveUp(first, last))
  }

  /** Rejects the unsettled numbers from the expected one through `last`: they belong to refused lines. */
  #refuse(last: number): void {
    for (const hole of this.session.missing(this.#expected, last)) {
      for (let number = hole.first; number <= hole.last; ++number) {
        const reason = this.#refusals.shift()
        if (reason === undefined) {
          throw violation('hole', `nothing for number ${number}, and did not say that it gave it up`)
        }
        this.session.reject(number, reason, false)
        this.#events.onRefused()
      }
    }
    this.#refusals = []
  }

  #checkLimits(): void {
    const { exceeded } = this.session
    if (exceeded === 'islands') {
      throw violation(exceeded, `numbers with more than ${MAX_REMEMBERED} gaps that are not settled`)
    }
    if (exceeded === 'rejections') {
      throw violation(
        exceeded,
        `more than ${MAX_REMEMBERED} messages that were rejected, without raising its lowest number`,
      )
    }
  }

  #lose(messages: number): void {
    if (messages > 0) this.#events.onLost(messages)
  }
}
