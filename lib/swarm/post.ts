// This node as the listener of the swarm: claims the address, accepts peers there, notices when its socket was removed
// or replaced, and claims the address again. Must not know exchanges.

import { hasCode, IpcError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import type { ListenOptions } from '../connection/listen-options.js'
import { listen, type Listener } from '../connection/listener.js'
import { AddressWatch } from './address-watch.js'
import type { Alert } from './alerts/alert-bus.js'

/** The result of {@link SwarmTransport.checkAddress}. `lost` includes an address that could not be claimed again. */
export type AddressCheck = 'held' | 'lost' | 'reclaimed' | 'not-listening'

/**
 *     idle ──hold──▶ claiming ──bound──▶ listening ──signal──▶ idle
 *      ▲                │ ▲                 │
 *      └──not bound─────┘ └──address lost───┘ (with reclaimAddress)
 */
type State =
  | { readonly name: 'idle' }
  | { readonly name: 'claiming'; readonly settled: Promise<unknown> }
  | { readonly name: 'listening'; readonly listener: Listener; readonly watch: AddressWatch | undefined }

const IDLE: State = { name: 'idle' }

/** Where and how a {@link Post} listens. */
export interface PostOptions {
  readonly name: string
  readonly listenOptions: ListenOptions
  readonly reclaimAddress: boolean
  readonly alert: (alert: Alert) => void
}

/** Holds the address for as long as it can. */
export class Post {
  readonly #options: PostOptions
  #state: State = IDLE
  #signal: AbortSignal | undefined
  /** Whether the current loss of the address was reported. */
  #lossReported = false
  /** One check at a time: two could claim the address twice. */
  #checking: Promise<AddressCheck> | undefined

  constructor(options: PostOptions) {
    this.#options = options
  }

  get isListening(): boolean {
    return this.#state.name === 'listening'
  }

  get isIdle(): boolean {
    return this.#state.name === 'idle'
  }

  /** Resolves when it is known whether this node listens. */
  async decided(): Promise<void> {
    if (this.#state.name === 'claiming') await this.#state.settled
  }

  /**
   * Listens until the signal fires or the address is lost for good, and hands over each peer that connects. Resolves at
   * once if another node listens already.
   *
   * @throws {IpcError} as `listen` of the package, except ERR_IPC_ADDRESS_IN_USE and ERR_IPC_ABORTED
   */
  async hold(signal: AbortSignal | undefined, onPeer: (connection: Connection) => void): Promise<void> {
    this.#signal = signal
    try {
      await this.#claim()
    } catch (error) {
      if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE', 'ERR_IPC_ABORTED')) return
      throw error
    }
    for (let state = this.#state; state.name === 'listening'; state = this.#state) {
      const { listener } = state
      try {
        for await (const connection of listener) onPeer(connection)
      } finally {
        listener.close()
        // If a check found the address lost, it has made another listener, or is about to.
        if (this.#state === state) this.#state = IDLE
      }
      await this.#checking
    }
  }

  /** Checks whether the socket is still at its path; see {@link SwarmTransport.checkAddress}. */
  check(): Promise<AddressCheck> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #check(): Promise<AddressCheck> {
    const state = this.#state
    if (state.name !== 'listening') return 'not-listening'
    const found = (await state.watch?.look()) ?? 'unknown'
    if (this.#state !== state) return 'not-listening'
    if (found === 'held') this.#lossReported = false
    if (found === 'held' || found === 'unknown') return 'held'
    this.#reportLoss(state.listener.address, found)
    if (!this.#options.reclaimAddress) return 'lost'
    return this.#reclaim(state.listener)
  }

  #reportLoss(address: string, found: 'removed' | 'replaced'): void {
    if (this.#lossReported) return
    this.#lossReported = true
    const { reclaimAddress, alert } = this.#options
    alert({
      severity: 'error',
      type: 'address-lost',
      message:
        `the swarm's socket ${address} was ${found}: peers no longer reach this node` +
        (reclaimAddress ? '' : '; with the option reclaimAddress it would listen there again'),
    })
  }

  /** The lost listener goes first, as it holds the lock of the address. */
  async #reclaim(lost: Listener): Promise<AddressCheck> {
    const { alert } = this.#options
    lost.close()
    const claim = this.#claim()
    try {
      await claim
    } catch (error) {
      if (this.#signal?.aborted === true) return 'not-listening'
      const why = error instanceof IpcError ? error.message : String(error)
      alert({
        severity: 'error',
        type: 'address-lost',
        message: `this node no longer listens: ${lost.address} could not be claimed again: ${why}`,
      })
      return 'lost'
    }
    this.#lossReported = false
    alert({
      severity: 'info',
      type: 'address-reclaimed',
      message: `this node listens at ${lost.address} again`,
    })
    return 'reclaimed'
  }

  async #claim(): Promise<void> {
    const bound = this.#bind()
    this.#state = { name: 'claiming', settled: bound.catch(() => undefined) }
    try {
      this.#state = { name: 'listening', ...(await bound) }
    } catch (error) {
      this.#state = IDLE
      throw error
    }
  }

  async #bind(): Promise<{ listener: Listener; watch: AddressWatch | undefined }> {
    const signal = this.#signal
    const listener = await listen(this.#options.name, {
      ...this.#options.listenOptions,
      ...(signal !== undefined && { signal }),
    })
    return { listener, watch: await AddressWatch.begin(listener.address) }
  }
}
