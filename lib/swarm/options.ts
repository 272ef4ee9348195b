// The options of the swarm's transport, and how they are checked. Must not know connections.

import { resolve } from 'node:path'

import {
  anything,
  callback,
  checkOptions,
  flag,
  milliseconds,
  signal,
  text,
  wholeNumber,
  wrongKind,
  type OptionCheck,
  type OptionTable,
} from '../base/options.js'
import { checkTimeout } from '../base/timing.js'
import type { ListenOptions } from '../connection/listen-options.js'
import type { OnEvent } from '../observe/lifecycle.js'
import type { PeerPolicy } from '../peer/policy.js'
import type { AlertBus } from './alerts/alert-bus.js'
import type { ExchangeReport } from './exchange/exchange.js'
import type { Fact } from './facts/fact.js'
import type { FactStore } from './facts/fact-store.js'
import { genomeHash, isGenomeHash } from './facts/genome.js'
import type { IncidentStore } from './facts/incident.js'
import type { PeerRegistry } from './peers/peer-registry.js'
import { MAX_BATCH } from './protocol/parse-messages.js'

/** Options of {@link SwarmTransport}. */
export interface SwarmTransportOptions {
  /**
   * Directory of the socket, `<directory>/swarm.sock` (Go: `rlmDir`). All nodes of a swarm use the same directory. A
   * relative path is resolved when the transport is made. On Windows there is one swarm per machine, at
   * `\\.\pipe\sentinel_swarm`, regardless of the directory.
   */
  readonly directory: string
  /**
   * Declares that other users may write to the directory although it is not sticky, like a volume that containers
   * share. `AddressOptions` of the package describes the consequences. Default: false.
   */
  readonly sharedDirectory?: boolean
  /** This node's registry of peers. */
  readonly registry: PeerRegistry
  /** This node's facts. */
  readonly store: FactStore
  /** This node's incidents. Default: none are sent, and those of peers are dropped. */
  readonly incidents?: IncidentStore
  /** The bus that gets the alerts. Default: alerts are dropped. */
  readonly alerts?: AlertBus
  /** The hash of this node's genes, as `genomeHash` returns it. Give either this or `genes`. */
  readonly genomeHash?: string
  /** This node's genes, hashed when the transport is made. Give either this or `genomeHash`. */
  readonly genes?: Iterable<Pick<Fact, 'id' | 'content'>>
  /** Which processes may be at the other end, whichever side dials. Default: those of this process's user. */
  readonly policy?: PeerPolicy
  /** Permissions of the listener's socket. Default: 0o600, this process's user only. Not on Windows. */
  readonly mode?: 0o600 | 0o660 | 0o666
  /** Group of the socket by id or name, for mode 0o660 or 0o666. Default: the system's choice. Not on Windows. */
  readonly group?: string | number
  /** Milliseconds that connecting may take. Default: 2000. */
  readonly dialTimeoutMs?: number
  /** Milliseconds that one exchange may take in all. Default: 5000. If it is cut off, the next dial continues it. */
  readonly exchangeTimeoutMs?: number
  /** Exchanges that a listener runs at once; the connections of further peers are closed. Default: 64. */
  readonly maxExchanges?: number
  /** The same limit for the peers of one user, so that one user cannot lock out the others. Default: `maxExchanges`. */
  readonly maxExchangesPerUser?: number
  /** New exchanges of one user within any second; further connections are closed. Default: 64. */
  readonly maxNewExchangesPerSecondPerUser?: number
  /**
   * Facts that this node accepts in one page (on the wire: `max_batch`), at most 10,000. Default: 2000. A page also has
   * at most about 128 Ki UTF-16 units of text.
   */
  readonly maxBatch?: number
  /**
   * Milliseconds between two checks of whether the listener's socket is still at its path; `Infinity` for none.
   * Default: 10,000. See {@link SwarmTransport.checkAddress}.
   */
  readonly addressCheckMs?: number
  /** Whether a listener whose socket was removed or replaced claims the address again. Default: false. */
  readonly reclaimAddress?: boolean
  /**
   * Called with the result of each exchange, in a microtask of its own. An error that it throws is reported as the
   * alert `callback-failed`, and has no other effect.
   */
  readonly onExchange?: (report: ExchangeReport) => unknown
  /**
   * Called with the events of the listener and of each connection, accepted or dialled, in the same form as for
   * `onEvent` of `listen` and `dial`.
   */
  readonly onEvent?: OnEvent
}

/** Options of `listen` and `dial` of {@link SwarmTransport}. */
export interface SwarmSignalOptions {
  /** Ends listening, or withdraws the dial and its exchange. */
  readonly signal?: AbortSignal
}

/** The options once checked. */
export interface Settings {
  readonly directory: string
  readonly sharedDirectory: boolean
  readonly policy: PeerPolicy | undefined
  readonly genomeHash: string
  readonly maxBatch: number
  readonly dialTimeoutMs: number
  readonly exchangeTimeoutMs: number
  readonly addressCheckMs: number
  readonly reclaimAddress: boolean
  readonly listenOptions: ListenOptions
  readonly onExchange: ((report: ExchangeReport) => unknown) | undefined
  readonly onEvent: OnEvent | undefined
}

const DIAL_TIMEOUT_MS = 2000
const EXCHANGE_TIMEOUT_MS = 5000
const ADDRESS_CHECK_MS = 10_000
const MAX_EXCHANGES = 64
const MAX_NEW_EXCHANGES = 64
const DEFAULT_BATCH = 2000

const count = wholeNumber(1, 1_000_000)

/**
 * Checks that a value has the methods of an interface, regardless of its class or of the copy of the package that made
 * it.
 */
function having(what: string, ...methods: readonly string[]): OptionCheck {
  return (value, name) => {
    const given = Object(value) as Record<string, unknown>
    if (methods.every((method) => typeof given[method] === 'function')) return
    throw wrongKind(name, what, value)
  }
}

const TABLE: OptionTable<SwarmTransportOptions> = {
  directory: text,
  sharedDirectory: flag,
  registry: having('a PeerRegistry', 'processHandshake', 'completeHandshake', 'recordSync', 'save'),
  store: having('a FactStore', 'addBatch', 'get', 'page', 'count', 'lastPosition', 'flush'),
  incidents: having('an IncidentStore', 'addBatch', 'recent'),
  alerts: having('an AlertBus', 'emit'),
  genomeHash: anything, // hashOf checks it
  genes: anything,
  policy: anything, // listen and dial check it
  mode: anything,
  group: anything,
  dialTimeoutMs: milliseconds,
  exchangeTimeoutMs: milliseconds,
  maxExchanges: count,
  maxExchangesPerUser: count,
  maxNewExchangesPerSecondPerUser: count,
  maxBatch: wholeNumber(1, MAX_BATCH),
  addressCheckMs: milliseconds,
  reclaimAddress: flag,
  onExchange: callback,
  onEvent: callback,
}

/** Checks of {@link SwarmSignalOptions}. */
export const SIGNAL_TABLE: OptionTable<SwarmSignalOptions> = { signal }

/** @throws TypeError, RangeError as the constructor of {@link SwarmTransport} */
export function checkedSettings(given: SwarmTransportOptions): Settings {
  const options = checkOptions('SwarmTransport', given, TABLE)
  for (const required of ['directory', 'registry', 'store'] as const) {
    if ((options[required] as unknown) === undefined)
      throw new TypeError(`SwarmTransport: ${required} is required`)
  }
  const { directory, policy, mode, group, onExchange, onEvent, maxExchanges = MAX_EXCHANGES } = options
  const { sharedDirectory = false, maxBatch = DEFAULT_BATCH, addressCheckMs = ADDRESS_CHECK_MS } = options
  return {
    directory: resolve(directory),
    sharedDirectory,
    policy,
    genomeHash: hashOf(options),
    maxBatch,
    dialTimeoutMs: checkTimeout(options.dialTimeoutMs, DIAL_TIMEOUT_MS),
    exchangeTimeoutMs: checkTimeout(options.exchangeTimeoutMs, EXCHANGE_TIMEOUT_MS),
    addressCheckMs,
    reclaimAddress: options.reclaimAddress ?? false,
    listenOptions: {
      maxConnections: maxExchanges,
      maxConnectionsPerUser: options.maxExchangesPerUser ?? maxExchanges,
      maxNewConnectionsPerSecondPerUser: options.maxNewExchangesPerSecondPerUser ?? MAX_NEW_EXCHANGES,
      ...(mode !== undefined && { mode }),
      ...(group !== undefined && { group }),
      ...(onEvent !== undefined && { onEvent }),
    },
    onExchange,
    onEvent,
  }
}

function hashOf({ genomeHash: given, genes }: SwarmTransportOptions): string {
  if ((given === undefined) === (genes === undefined)) {
    throw new TypeError('a SwarmTransport takes either genomeHash or genes')
  }
  const hash = genes === undefined ? given : genomeHash(genes)
  if (isGenomeHash(hash)) return hash
  throw new TypeError('genomeHash must be 64 lower-case hex digits, or an empty string for no genes')
}
