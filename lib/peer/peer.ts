// Peer identities as the kernel reports them.

import { IpcError } from '../base/errors.js'
import { quoteText } from '../base/quote.js'
import type { NativePeer } from '../binding/addon.js'

/**
 * The process at the other end, as the kernel recorded it when the connection was made (Linux: SO_PEERCRED and
 * SO_PEERGROUPS, unix(7); Windows: the user of the token of the process at the other end of the pipe). On the dialling
 * side it is the process that called `listen`.
 */
export interface PeerIdentity {
  /**
   * Process id; 0 in another pid namespace, see {@link PeerPolicy.foreignNamespaces}. For logs only: ids are reused, so
   * never base a decision on one.
   */
  readonly pid: number
  /** Effective user id; on Windows -1, which no user has. */
  readonly uid: number
  /** Effective group id; -1 on Windows. */
  readonly gid: number
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[]
  /**
   * Path of the program that the process ran when the connection was accepted (Linux 6.5 and later: /proc/PID/exe while
   * SO_PEERPIDFD shows that the process is alive; Windows). A hint, see {@link PeerPolicy.executables}. Undefined where
   * this process may not read it, as for processes of other users.
   */
  readonly executable?: string
  /**
   * Unit of systemd that the process belongs to, such as `soc-collector.service` (Linux 6.5 and later:
   * /proc/PID/cgroup, under the same conditions). Undefined where there is none.
   */
  readonly unit?: string
  /** Label of the security module (SO_PEERSEC: SELinux, AppArmor). Undefined where there is none. */
  readonly label?: string
  /** Security identifier of the user, as `S-1-5-…`. On Windows only. */
  readonly sid?: string
}

let lastIdentity: PeerIdentity | undefined

/**
 * Returns the identity of an admitted peer. Frozen, because its messages and consecutive connections of the same peer
 * share it.
 */
export function toPeerIdentity(native: NativePeer): PeerIdentity {
  const { pid, groups, executable, unit, label, sid } = native
  const { uid, gid } = sid === '' ? native : { uid: -1, gid: -1 }
  if (uid === null || gid === null) {
    throw new IpcError('ERR_IPC_PEER_UNKNOWN', 'the peer has no user or group')
  }
  const last = lastIdentity
  const same =
    last?.pid === pid &&
    last.uid === uid &&
    last.gid === gid &&
    (last.executable ?? '') === executable &&
    (last.unit ?? '') === unit &&
    (last.label ?? '') === label &&
    (last.sid ?? '') === sid &&
    last.groups.length === groups.length &&
    last.groups.every((group, i) => group === groups[i])
  if (same) return last
  return (lastIdentity = Object.freeze({
    pid,
    uid,
    gid,
    groups: Object.freeze(groups),
    ...(executable !== '' && { executable }),
    ...(unit !== '' && { unit }),
    ...(label !== '' && { label }),
    ...(sid !== '' && { sid }),
  }))
}

/** Returns the key of a peer's user: the uid, on Windows the SID. */
export function userOf(peer: PeerIdentity): number | string {
  return peer.sid ?? peer.uid
}

/** Longest name of a program, unit or label in an error. The peer may have chosen it. */
const MAX_NAME = 256

/** Describes an identity for errors and logs. */
export function describePeer(peer: NativePeer): string {
  const where = peer.executable === '' ? '' : `, executable ${quoteText(peer.executable, MAX_NAME)}`
  const unit = peer.unit === '' ? '' : `, unit ${quoteText(peer.unit, MAX_NAME)}`
  const label = peer.label === '' ? '' : `, label ${quoteText(peer.label, MAX_NAME)}`
  if (peer.sid !== '') return `sid ${peer.sid}, pid ${peer.pid}${where}`
  return `uid ${peer.uid ?? 'unknown'}, gid ${peer.gid ?? 'unknown'}, pid ${peer.pid}${where}${unit}${label}`
}
