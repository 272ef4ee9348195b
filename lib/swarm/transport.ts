// The swarm's transport: listens or dials, runs exchanges, bounds their time, and tells what came of each.

import { clearInterval, monotonicMs, queueMicrotask, setInterval } from '../base/globals.js'
import type { AddressOptions } from '../connection/address.js'
import type { Connection } from '../connection/connection.js'
import { dial } from '../connection/dial.js'
import { hasCode, isError } from '../base/errors.js'
import { listen, type Listener } from '../connection/listener.js'
import type { PeerIdentity, PeerPolicy } from '../peer/peer.js'
import { checkTimeout } from '../base/timing.js'
import type { Alert, AlertBus } from './alerts/alert-bus.js'
import { limitAlerts } from './alerts/alert-limit.js'
import { Channel } from './exchange/channel.js'
import { Progress, type ExchangeContext, type ExchangeReport } from './exchange/exchange.js'
import type { Fact } from './facts/fact.js'
import type { FactStore } from './facts/fact-store.js'
import { classify } from './protocol/failure.js'
import { genomeHash, isGenomeHash } from './facts/genome.js'
import { answerDialer, askListener } from './exchange/handshake.js'
import type { IncidentStore } from './facts/incident.js'
import { MAX_BATCH } from './protocol/messages.js'
import type { PeerRegistry } from './peers/peer-registry.js'
import { quoted } from './protocol/protocol-error.js'

/** Options of {@link SwarmTransport}. */
export interface SwarmTransportOptions {
  /**
   * Directory of the socket, `<directory>/swarm.sock` (Go: `rlmDir`). The same for all nodes. On Windows there is one swarm a
   * machine, at `\\.\pipe\sentinel_swarm`, whatever the directory.
   */
  readonly directory: string
  /** This node's registry of peers. */
  readonly registry: PeerRegistry
  /** This node's facts. */
  readonly store: FactStore
  /** This node's incidents. Default: none are sent, and those that come are dropped. */
  readonly incidents?: IncidentStore
  /** Where alerts go. Default: nowhere. */
  readonly alerts?: AlertBus
  /** The hash of this node's genes, as `genomeHash` gives it. This or `genes`. */
  readonly genomeHash?: string
  /** This node's genes, to be hashed now. This or `genomeHash`. */
  readonly genes?: Iterable<Pick<Fact, 'id' | 'content'>>
  /** Who may be at the other end, whichever side dials. Default: this process's own user. */
  readonly policy?: PeerPolicy
  /** Who may reach the socket of a listener: its permissions. Default 0o600, this process's own user. */
  readonly mode?: 0o600 | 0o660 | 0o666
  /** Group of the socket, for mode 0o660. Default: this process's own. */
  readonly group?: string | number
  /** How long the connecting may take. Default 2000. */
  readonly dialTimeoutMs?: number
  /** How long one exchange may take in all. Default 5000. One that is cut off goes on at the next dial. */
  readonly exchangeTimeoutMs?: number
  /** Exchanges that the listener carries on at once; further peers are hung up on. Default 64. */
  readonly maxExchanges?: number
  /** The same for the peers of one user, so that one cannot keep out the others. Default: as `maxExchanges`. */
  readonly maxExchangesPerUser?: number
  /** Facts that are taken in one page (on the wire: `max_batch`). Default and most: 10,000. A page has about 256 KiB. */
  readonly maxBatch?: number
  /** Told what each exchange came to. */
  readonly onExchange?: (report: ExchangeReport) => void
}

const SOCKET_NAME = 'swarm'
const WINDOWS_PIPE = '\\\\.\\pipe\\sentinel_swarm'
const DIAL_TIMEOUT_MS = 2000
const EXCHANGE_TIMEOUT_MS = 5000
const MAX_EXCHANGES = 64

/** Finds peers on this machine and exchanges facts with them (Go: `SwarmTransport`). */
export class SwarmTransport {
  readonly #options: SwarmTransportOptions
  readonly #context: ExchangeContext
  readonly #dialTimeoutMs: number
  readonly #exchangeTimeoutMs: number
  #listener: Listener | undefined
  /** Settles when an attempt to become the listener is over. */
  #claim: Promise<unknown> = Promise.resolve()

  /** @throws TypeError, RangeError for options that make no sense */
  constructor(options: SwarmTransportOptions) {
    const { genes, maxBatch = MAX_BATCH } = options
    if (typeof options.directory !== 'string' || options.directory === '') {
      throw new TypeError('directory must be a text that is not empty')
    }
    if ((options.genomeHash === undefined) === (genes === undefined)) {
      throw new TypeError('a transport takes either genomeHash or genes')
    }
    const hash = genes === undefined ? options.genomeHash : genomeHash(genes)
    if (!isGenomeHash(hash)) throw new TypeError('genomeHash must be 64 lower-case hex digits, or empty')
    if (!Number.isInteger(maxBatch) || maxBatch < 1 || maxBatch > MAX_BATCH) {
      throw new RangeError(`maxBatch must be a whole number from 1 to ${MAX_BATCH}`)
    }
    this.#dialTimeoutMs = checkTimeout(options.dialTimeoutMs, DIAL_TIMEOUT_MS)
    this.#exchangeTimeoutMs = checkTimeout(options.exchangeTimeoutMs, EXCHANGE_TIMEOUT_MS)
    this.#options = options
    const { alerts } = options
    this.#context = {
      registry: options.registry,
      store: options.store,
      incidents: options.incidents,
      genomeHash: hash,
      maxBatch,
      alert: limitAlerts((alert: Alert) => alerts?.emit(alert)),
    }
  }

  /** Whether this node is the one that listens. */
  get isListening(): boolean {
    return this.#listener !== undefined
  }

  /**
   * Listens for peers until the signal fires (Go: `Listen`). The first node on the machine wins: where another one
   * listens already, this resolves at once and {@link isListening} stays false.
   *
   * @throws {IpcError} as `listen` of the package, but for ERR_IPC_ADDRESS_IN_USE and ERR_IPC_ABORTED
   */
  async listen({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (signal?.aborted === true) return
    const { directory, policy, mode, group, maxExchanges = MAX_EXCHANGES } = this.#options
    try {
      const claim = listen(SOCKET_NAME, {
        ...placeOf(directory),
        maxConnections: maxExchanges,
        maxConnectionsPerUser: this.#options.maxExchangesPerUser ?? maxExchanges,
        ...(policy !== undefined && { policy }),
        ...(mode !== undefined && { mode }),
        ...(group !== undefined && { group }),
        ...(signal !== undefined && { signal }),
      }).then((listener) => {
        this.#listener = listener
        return listener
      })
      this.#claim = claim.catch(() => undefined)
      await claim
    } catch (error) {
      if (hasCode(error, 'ERR_IPC_ADDRESS_IN_USE', 'ERR_IPC_ABORTED')) return
      throw error
    }
    const listener = this.#listener
    if (listener === undefined) return
    const { registry } = this.#context
    const timer = setInterval(
      () => {
        this.#checkTimeouts()
      },
      Math.min(registry.peerTimeoutMs / 4, 60_000),
    )
    timer.unref()
    const running = new Set<Promise<void>>()
    try {
      for await (const connection of listener) {
        const exchange = this.#answer(connection, signal).finally(() => running.delete(exchange))
        running.add(exchange)
      }
      // Nobody is answered from here on, so another node may listen, and this one may dial it.
      this.#listener = undefined
      await Promise.all(running)
    } finally {
      clearInterval(timer)
      listener.close()
      this.#listener = undefined
    }
  }

  /**
   * Connects to whoever listens and exchanges facts with it (Go: `Dial`). True when everything went over that could;
   * false when nobody listens, when it is this node itself, or when the genomes differ.
   *
   * @throws {IpcError} when the exchange broke off: ERR_IPC_TIMEOUT, ERR_IPC_CLOSED, ERR_IPC_ABORTED,
   *   ERR_IPC_INVALID_MESSAGE (`reason` says which rule the peer broke), ERR_IPC_MESSAGE_TOO_LARGE; what was stored
   *   by then stays, and the next dial goes on. Also as `dial` of the package.
   * @throws {FactError} ERR_FACT_STORE_FULL
   */
  async dial({ signal }: { signal?: AbortSignal } = {}): Promise<boolean> {
    // Or it would meet itself: the socket is there before `listen` knows.
    await this.#claim
    if (this.isListening) return false
    const { directory, policy } = this.#options
    let connection
    try {
      connection = await dial(SOCKET_NAME, {
        ...placeOf(directory),
        timeoutMs: this.#dialTimeoutMs,
        ...(policy !== undefined && { policy }),
        ...(signal !== undefined && { signal }),
      })
    } catch (error) {
      if (hasCode(error, 'ERR_IPC_NOT_LISTENING')) return false
      throw error
    }
    const report = await this.#exchange('dialer', connection, signal)
    if (report.error !== undefined) throw report.error
    return report.outcome === 'synced'
  }

  async #answer(connection: Connection, signal: AbortSignal | undefined): Promise<void> {
    await this.#exchange('listener', connection, signal)
  }

  /** Runs one exchange to its end, however it ends. */
  async #exchange(
    role: ExchangeReport['role'],
    connection: Connection,
    signal: AbortSignal | undefined,
  ): Promise<ExchangeReport> {
    const begin = monotonicMs()
    const progress = new Progress()
    const channel = new Channel(connection, `swarm ${role}`, this.#exchangeTimeoutMs, signal)
    let outcome: ExchangeReport['outcome'] = 'failed'
    let error: Error | undefined
    try {
      this.#checkTimeouts()
      const run = role === 'listener' ? answerDialer : askListener
      outcome = (await run(channel, this.#context, progress)) ? 'synced' : 'mismatch'
    } catch (caught) {
      error = isError(caught) ? caught : new Error(String(caught))
      if (!hasCode(error, 'ERR_IPC_ABORTED')) this.#alertFailure(error, connection.peer, progress)
    } finally {
      await channel.dispose()
    }
    await this.#saveRegistry()
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
    this.#tell(report)
    return report
  }

  #tell(report: ExchangeReport): void {
    const { onExchange } = this.#options
    if (onExchange === undefined) return
    // What a listener of ours throws is its own affair, and must not end the exchange of another peer.
    queueMicrotask(() => {
      onExchange(report)
    })
  }

  #alertFailure(error: Error, peer: PeerIdentity, progress: Progress): void {
    const { type, severity } = classify(error)
    const who = progress.peer === undefined ? '' : ` that calls itself ${quoted(progress.peer.peerId)}`
    this.#context.alert({
      severity,
      type,
      message: `the exchange with the peer of ${peer.sid ?? `uid ${peer.uid}`}, pid ${peer.pid}${who} has failed: ${error.message}`,
      peer,
      ...(progress.peer !== undefined && { peerId: progress.peer.peerId }),
      counts: { received: progress.received, known: progress.known },
    })
  }

  #checkTimeouts(): void {
    for (const fallen of this.#context.registry.checkTimeouts()) {
      const genes = this.#context.registry.geneBackup(fallen.id)?.genes.length ?? 0
      this.#context.alert({
        severity: 'warning',
        type: 'peer-expired',
        message: `${quoted(fallen.node)} was not heard of for too long; ${genes} genes of it are kept`,
        peerId: fallen.id,
        counts: { genes },
      })
    }
  }

  async #saveRegistry(): Promise<void> {
    try {
      await this.#context.registry.save()
    } catch (error) {
      this.#context.alert({
        severity: 'error',
        type: 'registry-not-saved',
        message: `the peer registry could not be saved: ${isError(error) ? error.message : ''}`,
      })
    }
  }
}

/** Where the swarm meets. */
function placeOf(directory: string): AddressOptions {
  return process.platform === 'win32' ? { path: WINDOWS_PIPE } : { directory }
}
