// The swarm's transport: listens or dials, runs exchanges, bounds their time and number, and reports each result.

import { clearInterval, monotonicMs, setInterval } from '../base/globals.js'
import type { Connection } from '../connection/connection.js'
import type { AddressOptions } from '../connection/address.js'
import { dial } from '../connection/dial.js'
import { checkOptions } from '../base/options.js'
import { hasCode, IpcError, toError } from '../base/errors.js'
import { MAX_TIMER_MS } from '../base/timing.js'
import { Channel } from './exchange/channel.js'
import { Progress, type ExchangeContext, type ExchangeReport } from './exchange/exchange.js'
import { alertAboutFailure, expireSilentPeers, saveRegistry } from './exchange-alerts.js'
import { answerDialer, askListener } from './exchange/handshake.js'
import { LoopShare } from './exchange/loop-share.js'
import {
  checkedSettings,
  SIGNAL_TABLE,
  type Settings,
  type SwarmSignalOptions,
  type SwarmTransportOptions,
} from './options.js'
import { Post, type AddressCheck } from './post.js'
import { STORE_STUCK } from './protocol/protocol-error.js'
import { UserCode } from './user-code.js'

const SOCKET_NAME = 'swarm'
const WINDOWS_PIPE = '\\\\.\\pipe\\sentinel_swarm'
/** How long an exchange waits for the registry's storage. */
const SAVE_TIMEOUT_MS = 5000
/** Abandoned exchanges that may still wait for the store. Each keeps its memory, so there must be few. */
const MAX_STUCK = 8

/** Finds peers on this machine and exchanges facts with them (Go: `SwarmTransport`). */
export class SwarmTransport {
  readonly #settings: Settings
  readonly #place: AddressOptions
  readonly #context: ExchangeContext
  readonly #userCode: UserCode
  readonly #post: Post
  /** Exchanges that were abandoned because the fact store did not return. */
  #stuck = 0

  /**
   * @throws TypeError for an unknown option, one of the wrong kind, or a required one that is missing
   * @throws RangeError for a number out of its bounds
   */
  constructor(options: SwarmTransportOptions) {
    const settings = checkedSettings(options)
    const { directory, sharedDirectory, policy, listenOptions, reclaimAddress } = settings
    this.#settings = settings
    this.#place = process.platform === 'win32' ? { path: WINDOWS_PIPE } : { directory, sharedDirectory }
    this.#userCode = new UserCode(options.alerts)
    const { alert } = this.#userCode
    this.#context = {
      registry: options.registry,
      store: options.store,
      incidents: options.incidents,
      genomeHash: settings.genomeHash,
      maxBatch: settings.maxBatch,
      alert,
      takeTurn: new LoopShare().takeTurn,
    }
    this.#post = new Post({
      name: SOCKET_NAME,
      listenOptions: { ...this.#place, ...listenOptions, ...(policy !== undefined && { policy }) },
      reclaimAddress,
      alert,
    })
  }

  /** Whether this node is the one that listens. */
  get isListening(): boolean {
    return this.#post.isListening
  }

  /**
   * Listens for peers until the signal fires (Go: `Listen`). The first node on the machine wins: if another one listens
   * already, or this one does, this resolves at once.
   *
   * @throws {IpcError} as `listen` of the package, except ERR_IPC_ADDRESS_IN_USE and ERR_IPC_ABORTED
   * @throws TypeError, RangeError as `listen` of the package, for `policy`, `mode`, `group` and the limits of exchanges
   */
  async listen(options?: SwarmSignalOptions): Promise<void> {
    const { signal } = checkOptions('listen', options, SIGNAL_TABLE)
    if (signal?.aborted === true || !this.#post.isIdle) return
    const { addressCheckMs } = this.#settings
    const timers = [
      every(Math.min(this.#context.registry.peerTimeoutMs / 4, 60_000), () => {
        this.#expireSilentPeers()
      }),
      every(addressCheckMs, () => void this.checkAddress()),
    ]
    const running = new Set<Promise<unknown>>()
    try {
      await this.#post.hold(signal, (connection) => {
        const exchange = this.#exchange('listener', connection, signal).finally(() =>
          running.delete(exchange),
        )
        running.add(exchange)
      })
      await Promise.all(running)
    } finally {
      for (const timer of timers) clearInterval(timer)
    }
  }

  /**
   * Connects to the node that listens and exchanges facts with it (Go: `Dial`). Returns true if the exchange was
   * completed; false if no node listens, if this node itself listens, if the genomes differ, or if one of the two nodes
   * has rejected the other.
   *
   * @throws {IpcError} if the exchange broke off: ERR_IPC_TIMEOUT (reason `store-stuck`: the fact store did not
   *   return), ERR_IPC_CLOSED, ERR_IPC_ABORTED, ERR_IPC_INVALID_MESSAGE (`reason` names the rule that the peer broke),
   *   ERR_IPC_MESSAGE_TOO_LARGE. Facts stored by then stay, and the next dial continues there. Also the errors of
   *   `dial` of the package.
   * @throws {FactError} ERR_FACT_STORE_FULL, ERR_FACT_STORE_CLOSED
   */
  async dial(options?: SwarmSignalOptions): Promise<boolean> {
    const { signal } = checkOptions('dial', options, SIGNAL_TABLE)
    // The socket exists before `listen` returns: without this wait, the node could dial itself.
    await this.#post.decided()
    if (this.isListening) return false
    const { policy, dialTimeoutMs, onEvent } = this.#settings
    let connection
    try {
      connection = await dial(SOCKET_NAME, {
        ...this.#place,
        timeoutMs: dialTimeoutMs,
        ...(policy !== undefined && { policy }),
        ...(signal !== undefined && { signal }),
        ...(onEvent !== undefined && { onEvent }),
      })
    } catch (error) {
      if (hasCode(error, 'ERR_IPC_NOT_LISTENING')) return false
      throw error
    }
    const report = await this.#exchange('dialer', connection, signal)
    if (report.error !== undefined) throw report.error
    return report.outcome === 'synced'
  }

  /**
   * Checks whether the socket that this node listens at is still at its path. While it listens, a timer does the same
   * every `addressCheckMs`. If the socket was removed or replaced, peers no longer reach this node. That raises the
   * alert `address-lost`, once, and with `reclaimAddress` this node claims the address again (alert
   * `address-reclaimed`). If it cannot, because another node has taken the address, `listen` resolves. On Windows
   * nothing can remove a pipe: `held` while it listens.
   */
  checkAddress(): Promise<AddressCheck> {
    return this.#post.check()
  }

  /** Runs one exchange to its end. Never rejects. */
  async #exchange(
    role: ExchangeReport['role'],
    connection: Connection,
    signal: AbortSignal | undefined,
  ): Promise<ExchangeReport> {
    const begin = monotonicMs()
    const progress = new Progress()
    const channel = new Channel(connection, `swarm ${role}`, {
      timeoutMs: this.#settings.exchangeTimeoutMs,
      signal,
      takeTurn: this.#context.takeTurn,
    })
    let outcome: ExchangeReport['outcome'] = 'failed'
    let error: Error | undefined
    try {
      outcome = await this.#run(role, channel, progress)
    } catch (caught) {
      error = toError(caught)
      if (!hasCode(error, 'ERR_IPC_ABORTED')) {
        alertAboutFailure(this.#context, role, error, connection.peer, progress)
      }
    } finally {
      await channel.dispose()
    }
    await saveRegistry(this.#context, SAVE_TIMEOUT_MS)
    const { peer, protocol, received, known, sent, unsent, incidentsReceived, incidentsSent } = progress
    const report: ExchangeReport = {
      role,
      peer: connection.peer,
      peerId: peer?.peerId,
      node: peer?.node,
      protocol,
      outcome,
      received,
      known,
      sent,
      unsent,
      incidentsReceived,
      incidentsSent,
      durationMs: monotonicMs() - begin,
      ...(error !== undefined && { error }),
    }
    this.#userCode.call('onExchange', this.#settings.onExchange, report)
    return report
  }

  async #run(
    role: ExchangeReport['role'],
    channel: Channel,
    progress: Progress,
  ): Promise<ExchangeReport['outcome']> {
    if (this.#stuck >= MAX_STUCK) {
      const message = `${this.#stuck} exchanges still wait for the fact store: no more are begun until it returns`
      throw new IpcError('ERR_IPC_TIMEOUT', message, { reason: STORE_STUCK })
    }
    this.#expireSilentPeers()
    const work = (role === 'listener' ? answerDialer : askListener)(channel, this.#context, progress)
    try {
      return (await channel.bounded(work)) ? 'synced' : 'mismatch'
    } catch (error) {
      if (hasCode(error, 'ERR_IPC_TIMEOUT') && error.reason === STORE_STUCK) this.#countStuck(work)
      throw error
    }
  }

  #countStuck(work: Promise<unknown>): void {
    ++this.#stuck
    const onReturn = (): void => {
      --this.#stuck
    }
    work.then(onReturn, onReturn)
  }

  /** The registry's clocks are user code: an exception thrown in a timer would end the process. */
  #expireSilentPeers(): void {
    this.#userCode.guard('the peer registry', () => {
      expireSilentPeers(this.#context)
    })
  }
}

function every(ms: number, action: () => void): NodeJS.Timeout | undefined {
  if (ms === Infinity) return undefined
  return setInterval(action, Math.min(ms, MAX_TIMER_MS)).unref()
}
