// The parts that both directions of a bridge share: state, events, counts, and the end.
//
//     starting ──▶ running ◀──▶ waiting
//         └───────────┴────────────┴──▶ closed | failed

import { toError } from '../base/errors.js'
import { AbortController } from '../base/globals.js'
import { checkOptions, milliseconds, type OptionTable } from '../base/options.js'
import { checkTimeout, pause } from '../base/timing.js'
import { callUser } from '../base/user-code.js'
import type { Bridge, BridgeCloseOptions, BridgeEvent, BridgeState, BridgeStats } from './bridge.js'

/** Milliseconds between two attempts of {@link BridgeLife.retry}. */
const RETRY_MS = 500
const CLOSE_TABLE: OptionTable<BridgeCloseOptions> = { timeoutMs: milliseconds }

/** What a bridge may have to wait for: the message system, or its spool. */
export type Awaited = 'system' | 'spool'

/** The state of a bridge, which reports each change, and its counts. */
export class BridgeLife {
  readonly ended: Promise<void>
  /** The counts that its parts add to. `BridgeBase.load` computes the others when they are read. */
  readonly counts = { received: 0, delivered: 0, duplicates: 0, deadLetters: 0, batches: 0 }
  readonly #stop = new AbortController()
  readonly #onEvent: ((event: BridgeEvent) => void) | undefined
  #state: BridgeState = 'starting'
  /** The parts that do not work now. At the start, the message system has not been reached. */
  readonly #awaited = new Set<Awaited>(['system'])
  #error: Error | undefined
  #resolve!: () => void
  #reject!: (error: Error) => void

  constructor(onEvent: ((event: BridgeEvent) => void) | undefined) {
    this.#onEvent = onEvent
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The caller need not await it: the state and an event report the same.
    this.ended.catch(() => undefined)
  }

  get state(): BridgeState {
    return this.#state
  }

  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'failed'
  }

  /** Fires when the bridge ends. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Call when a part does not work and is tried again. Reported once, until it works. */
  waitFor(part: Awaited, error: Error): void {
    if (this.isOver || (this.#state === 'waiting' && this.#awaited.has(part))) return
    this.#awaited.add(part)
    this.#state = 'waiting'
    this.emit({ type: 'state', state: 'waiting', error })
  }

  /** Call when a part works. The bridge runs when all parts do. */
  works(part: Awaited): void {
    if (!this.#awaited.delete(part) || this.#awaited.size > 0 || this.isOver) return
    this.#state = 'running'
    this.emit({ type: 'state', state: 'running', error: undefined })
  }

  /** Ends the bridge: no new work begins. */
  end(error?: Error): void {
    if (this.isOver) return
    this.#error = error
    this.#state = error === undefined ? 'closed' : 'failed'
    this.#stop.abort()
    this.emit({ type: 'state', state: this.#state, error })
  }

  /** Settles `ended`. Call when everything is released; with an error if a part could not be released. */
  finish(error?: Error): void {
    this.#error ??= error
    if (this.#error === undefined) this.#resolve()
    else this.#reject(this.#error)
  }

  /** Repeats work that fails, until it succeeds or the bridge ends. Returns whether it succeeded. */
  async retry(work: () => Promise<void>): Promise<boolean> {
    for (;;) {
      try {
        await work()
        return true
      } catch {
        if (this.signal.aborted) return false
        await pause(RETRY_MS, this.signal, 'the bridge').catch(() => undefined)
      }
    }
  }

  emit(event: BridgeEvent): void {
    if (this.#onEvent !== undefined) callUser('onEvent', this.#onEvent, event)
  }
}

/** Runs all steps in their order, even if one fails; then throws the first error. */
export async function inTurn(...steps: readonly (() => Promise<unknown> | undefined)[]): Promise<void> {
  let failed: Error | undefined
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failed ??= toError(error)
    }
  }
  if (failed !== undefined) throw failed
}

/** The part of a bridge that does not depend on its direction. */
export abstract class BridgeBase implements Bridge {
  /** @internal */
  protected readonly life: BridgeLife
  #closing: Promise<void> | undefined

  protected constructor(life: BridgeLife) {
    this.life = life
  }

  /** The state of the bridge. */
  get state(): BridgeState {
    return this.life.state
  }

  /**
   * Resolves when the bridge has ended; rejects with the error if it failed, or if a part of it could not be closed.
   */
  get ended(): Promise<void> {
    return this.life.ended
  }

  /**
   * Counts since it was opened. For an outgoing bridge, `received` includes the messages that an earlier process left
   * in the spool.
   */
  get stats(): BridgeStats {
    return { ...this.life.counts, ...this.load }
  }

  /**
   * Stops receiving, delivers the pending messages, and ends. Messages not delivered in time stay where they are: in
   * the message system, with the local senders, or in the spool.
   *
   * @throws TypeError, RangeError for options that are not allowed; what the source or sink throws when it is closed
   */
  close(options: BridgeCloseOptions = {}): Promise<void> {
    const { timeoutMs } = checkOptions('close', options, CLOSE_TABLE)
    return (this.#closing ??= this.#release(checkTimeout(timeoutMs)))
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Ends the bridge for good, without waiting for pending messages. For the failure of any part: the sender, the spool,
   * the source, the sink. The first one counts, also while the bridge closes. Never rejects: `ended` does.
   *
   * @internal
   */
  protected async fail(error: Error): Promise<void> {
    if (this.#closing !== undefined || this.life.isOver) this.life.end(error)
    else this.#closing = this.#release(1, error)
    await this.#closing?.catch(() => undefined)
  }

  async #release(timeoutMs: number, error?: Error): Promise<void> {
    try {
      await this.release(timeoutMs, error)
    } catch (cause) {
      this.life.finish(toError(cause))
      throw cause
    }
    this.life.finish()
  }

  /**
   * The counts that are computed when they are read.
   *
   * @internal
   */
  protected abstract get load(): Pick<BridgeStats, 'pending' | 'pendingBytes' | 'repeated'>

  /**
   * Ends the life and releases everything, even if a part cannot be released. Called once; with an error if the bridge
   * has failed.
   *
   * @internal
   */
  protected abstract release(timeoutMs: number, error?: Error): Promise<void>
}
