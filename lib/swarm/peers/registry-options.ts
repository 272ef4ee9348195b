// Options and counts of a peer registry: their meaning, defaults and checks.

import { monotonicMs } from '../../base/globals.js'
import {
  callback,
  checkOptions,
  wholeNumber,
  wrongKind,
  type OptionCheck,
  type OptionTable,
} from '../../base/options.js'
import { isPeerId } from './peer-record.js'
import type { RegistryStorage } from './registry-storage.js'

/** Options of {@link PeerRegistry}. */
export interface PeerRegistryOptions {
  /**
   * Milliseconds after which a silent peer expires. Default: 1,800,000 (30 minutes), as in Go. Measured by a clock that
   * setting the system time does not change and that stands still while the machine is suspended.
   */
  readonly peerTimeoutMs?: number
  /** Peers remembered; beyond that the one silent for longest is forgotten. Default: 1024. */
  readonly maxPeers?: number
  /** Where {@link PeerRegistry.open} loads from and {@link PeerRegistry.save} saves to. Default: nowhere. */
  readonly storage?: RegistryStorage
  /** This node's id: `peer_` and 24 hex digits. Default: a new random one. */
  readonly selfId?: string
  /** Returns the time of day in Unix milliseconds, for the times in records. Default: `Date.now`. */
  readonly now?: () => number
  /** Returns the time of a monotonic clock in milliseconds, for the time-out. Default: `performance.now`. */
  readonly monotonicNow?: () => number
}

/** Counts of a registry, as of now. */
export interface RegistryStats {
  /** Peers remembered, in whatever state. */
  readonly peers: number
  /** Peers verified and not expired. */
  readonly trusted: number
  /** Peers that were silent for too long. */
  readonly expired: number
  /** Backups of the genes of expired peers. */
  readonly backups: number
  /** Exchanges that were completed, or in which facts were stored, with all peers remembered. */
  readonly syncs: number
  /** Facts that came from peers. */
  readonly factsReceived: number
  /** Facts that went to peers. */
  readonly factsSent: number
  /** Peers forgotten because there were more than `maxPeers`. */
  readonly forgotten: number
}

/** The default of `peerTimeoutMs`, in milliseconds (Go: 30 minutes). */
export const DEFAULT_PEER_TIMEOUT_MS = 30 * 60 * 1000

const positive: OptionCheck = (value, name) => {
  if (typeof value !== 'number') throw wrongKind(name, 'a number above 0', value)
  if (!(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
}

const peerId: OptionCheck = (value, name) => {
  if (!isPeerId(value)) throw wrongKind(name, "'peer_' followed by 24 hex digits", value)
}

const storage: OptionCheck = (value, name) => {
  const { load, save } = Object(value) as Partial<RegistryStorage>
  if (typeof load !== 'function' || typeof save !== 'function')
    throw wrongKind(name, 'a RegistryStorage', value)
}

const TABLE: OptionTable<PeerRegistryOptions> = {
  peerTimeoutMs: positive,
  maxPeers: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  storage,
  selfId: peerId,
  now: callback,
  monotonicNow: callback,
}

/** Options with their defaults. */
export interface RegistrySettings {
  readonly peerTimeoutMs: number
  readonly maxPeers: number
  readonly storage: RegistryStorage | undefined
  readonly selfId: string | undefined
  readonly now: () => number
  readonly monotonicNow: () => number
}

/** @throws TypeError, RangeError for a name or option out of its bounds */
export function checkedRegistry(
  nodeName: string,
  options: PeerRegistryOptions | undefined,
): RegistrySettings {
  if (typeof nodeName !== 'string' || nodeName === '' || nodeName.length > 256) {
    throw new TypeError('nodeName must be a string of 1 to 256 UTF-16 units')
  }
  const checked = checkOptions('PeerRegistry', options, TABLE)
  return {
    peerTimeoutMs: checked.peerTimeoutMs ?? DEFAULT_PEER_TIMEOUT_MS,
    maxPeers: checked.maxPeers ?? 1024,
    storage: checked.storage,
    selfId: checked.selfId,
    now: checked.now ?? Date.now,
    monotonicNow: checked.monotonicNow ?? (() => monotonicMs()),
  }
}
