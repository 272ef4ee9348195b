// Who may be at the other end: identities as the kernel gives them, and policies that name whom to let in.

import { IpcError } from './errors.js'
import { addon, fromNative, type NativePeer } from './native.js'

/**
 * Who is at the other end, as the kernel tells it and frozen when the connection was made (Linux: SO_PEERCRED and
 * SO_PEERGROUPS, unix(7)). On the dialling side it is the process that called `listen`.
 */
export interface PeerIdentity {
  /** Process id. For logs only: ids are reused, so never decide by it. */
  readonly pid: number
  /** Effective user id. */
  readonly uid: number
  /** Effective group id. */
  readonly gid: number
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[]
}

/**
 * Whom to let in: a peer whose user is in `users`, or whose group or any supplementary group is in `groups`. Users and
 * groups are numbers or names; names are looked up once. Nobody else gets in. Without a policy: this process's own
 * user.
 *
 * Refused whatever the lists say: a user or group that is mapped from another user namespace (Linux: the overflow ids,
 * 65534), a peer in another pid namespace (pid 0), and a peer whose identity cannot be read.
 */
export interface PeerPolicy {
  readonly users?: readonly (number | string)[]
  readonly groups?: readonly (number | string)[]
}

/** A policy with its names looked up, as the addon takes it. */
export interface ResolvedPolicy {
  readonly users: Uint32Array
  readonly groups: Uint32Array
}

const MAX_ID = 0xffff_fffe // (uid_t) -1 means "none" everywhere

function resolveIds(
  what: string,
  entries: readonly (number | string)[] | undefined,
  lookUp: (name: string) => number | null,
): Uint32Array {
  if (entries === undefined) return new Uint32Array(0)
  if (!Array.isArray(entries)) throw new TypeError(`policy.${what} must be an array`)
  return Uint32Array.from(entries, (entry: unknown) => {
    if (typeof entry === 'number' && Number.isInteger(entry) && entry >= 0 && entry <= MAX_ID) return entry
    if (typeof entry !== 'string') {
      throw new TypeError(`policy.${what} holds ${String(entry)}, which is neither an id nor a name`)
    }
    let id: number | null
    try {
      id = lookUp(entry)
    } catch (error) {
      throw fromNative(error)
    }
    if (id === null) throw new TypeError(`policy.${what}: this system has no ${JSON.stringify(entry)}`)
    return id
  })
}

/**
 * Looks up the names of a policy. The default is this process's own (effective) user.
 *
 * @throws TypeError for names that do not exist, unknown keys, and a policy that lets nobody in
 */
export function resolvePolicy(policy: PeerPolicy | undefined): ResolvedPolicy {
  const { users, groups, ...unknown } = policy ?? {}
  // A misspelt key must not silently mean the default.
  const strange = Object.keys(unknown)
  if (strange.length > 0) throw new TypeError(`policy has no key ${strange.join(', ')}`)
  if (users === undefined && groups === undefined) {
    return { users: Uint32Array.of(addon.ownUserId()), groups: new Uint32Array(0) }
  }
  const resolved = {
    users: resolveIds('users', users, addon.resolveUser),
    groups: resolveIds('groups', groups, addon.resolveGroup),
  }
  if (resolved.users.length + resolved.groups.length === 0) throw new TypeError('policy lets nobody in')
  return resolved
}

/** The identity of an admitted peer; frozen, as many messages share it. */
export function toPeerIdentity(native: NativePeer): PeerIdentity {
  const { pid, uid, gid, groups } = native
  if (uid === null || gid === null) {
    throw new IpcError('ERR_IPC_PEER_UNKNOWN', 'the peer has no user or group')
  }
  return Object.freeze({ pid, uid, gid, groups: Object.freeze(groups) })
}

/** An identity in words, for errors and logs. */
export function describePeer(peer: NativePeer): string {
  return `uid ${peer.uid ?? 'unknown'}, gid ${peer.gid ?? 'unknown'}, pid ${peer.pid}`
}
