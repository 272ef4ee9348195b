// Who may be at the other end: identities as the kernel gives them, and policies that name whom to let in.

import { IpcError } from '../base/errors.js'
import { addon, type NativePeer, type NativePolicy } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'

/**
 * Who is at the other end, as the kernel tells it and frozen when the connection was made (Linux: SO_PEERCRED and
 * SO_PEERGROUPS, unix(7); Windows: the user of the token of the process at the other end of the pipe). On the dialling side
 * it is the process that called `listen`.
 */
export interface PeerIdentity {
  /** Process id. For logs only: ids are reused, so never decide by it. */
  readonly pid: number
  /** Effective user id; -1, which nobody has, on Windows. */
  readonly uid: number
  /** Effective group id; -1 on Windows. */
  readonly gid: number
  /** Supplementary groups, without `gid`. */
  readonly groups: readonly number[]
  /**
   * Path of the program, read while its process was held fast (Linux 6.5 and later, from /proc/PID/exe; Windows). Undefined where
   * it may not be read, as with processes of other users.
   */
  readonly executable?: string
  /** Label of the security module (SO_PEERSEC: SELinux, AppArmor). Undefined where there is none. */
  readonly label?: string
  /** Security identifier of the user, as `S-1-5-…`. On Windows only. */
  readonly sid?: string
}

/**
 * Whom to let in: a peer whose user is in `users`, or whose group or any supplementary group is in `groups`. Users and
 * groups are numbers or names; names are looked up once. Nobody else gets in. Without either: this process's own user.
 * On Windows `users` are names of accounts and `sids` security identifiers of users; numbers, `groups` and `labels` have no
 * meaning there.
 *
 * `executables` and `labels` narrow that further: where given, the peer's must be known and listed.
 *
 * Refused whatever the lists say: a user or group that is mapped from another user namespace (Linux: the overflow ids,
 * 65534), a peer in another pid namespace (pid 0), and a peer whose identity cannot be read.
 */
export interface PeerPolicy {
  readonly users?: readonly (number | string)[]
  readonly groups?: readonly (number | string)[]
  /**
   * Absolute paths of programs. A path is what the kernel started, not a proof of what runs: whoever may debug the
   * process or replace the file decides that.
   */
  readonly executables?: readonly string[]
  /** Labels of the security module. */
  readonly labels?: readonly string[]
  /** Security identifiers of users (`S-1-5-…`). On Windows only; refused elsewhere. */
  readonly sids?: readonly string[]
}

const WINDOWS = process.platform === 'win32'
const SID = /^S-1(-\d+)+$/i
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

function checkTexts(what: 'executables' | 'labels', entries: unknown, pattern: RegExp): string[] {
  if (entries === undefined) return []
  const texts = Array.isArray(entries) ? entries.map(String).filter((entry) => pattern.test(entry)) : []
  if (!Array.isArray(entries) || texts.length === 0 || texts.length < entries.length) {
    throw new TypeError(
      `policy.${what} must be an array of at least one ${what === 'labels' ? 'label' : 'absolute path'}`,
    )
  }
  return texts
}

/**
 * Looks up the names of a policy. The default is this process's own (effective) user.
 *
 * @throws TypeError for names that do not exist, unknown keys, and a policy that lets nobody in
 */
export function resolvePolicy(policy: PeerPolicy | undefined): NativePolicy {
  const { users, groups, executables, labels, sids, ...unknown } = policy ?? {}
  // A misspelt key must not silently mean the default.
  const strange = Object.keys(unknown)
  if (strange.length > 0) throw new TypeError(`policy has no key ${strange.join(', ')}`)
  if (WINDOWS) return resolveWindowsPolicy(policy ?? {})
  if (sids !== undefined) throw new TypeError('policy.sids has a meaning on Windows only')
  const narrowing = {
    executables: checkTexts('executables', executables, /^\/[^\0]+$/),
    labels: checkTexts('labels', labels, /^[^\0]+$/),
    sids: [],
  }
  if (users === undefined && groups === undefined) {
    const { uid } = addon.ownUser()
    return { users: Uint32Array.of(...(uid === null ? [] : [uid])), groups: new Uint32Array(0), ...narrowing }
  }
  const resolved = {
    users: resolveIds('users', users, addon.resolveUser),
    groups: resolveIds('groups', groups, addon.resolveGroup),
    ...narrowing,
  }
  if (resolved.users.length + resolved.groups.length === 0) throw new TypeError('policy lets nobody in')
  return resolved
}

function resolveWindowsPolicy({ users, groups, executables, labels, sids }: PeerPolicy): NativePolicy {
  if (groups !== undefined || labels !== undefined) {
    throw new TypeError('policy.groups and policy.labels have no meaning on Windows')
  }
  const rest = {
    users: new Uint32Array(0),
    groups: new Uint32Array(0),
    // As the system spells it: a drive, and backslashes.
    executables: checkTexts('executables', executables, /^[A-Za-z]:\\[^\0]+$/),
    labels: [],
  }
  if (users === undefined && sids === undefined) return { ...rest, sids: [addon.ownUser().sid] }
  const resolved = [...resolveSids('users', users), ...resolveSids('sids', sids)]
  if (resolved.length === 0) throw new TypeError('policy lets nobody in')
  return { ...rest, sids: resolved }
}

function resolveSids(what: 'users' | 'sids', entries: unknown): string[] {
  if (entries === undefined) return []
  if (!Array.isArray(entries)) throw new TypeError(`policy.${what} must be an array`)
  return entries.map((entry: unknown) => {
    if (typeof entry !== 'string' || entry.includes('\0') || SID.test(entry) !== (what === 'sids')) {
      const kind = what === 'sids' ? 'a security identifier' : 'the name of an account'
      throw new TypeError(`policy.${what} holds ${String(entry)}, which is not ${kind}`)
    }
    let sid: string | null
    try {
      sid = addon.resolveSid(entry)
    } catch (error) {
      throw fromNative(error)
    }
    if (sid === null) throw new TypeError(`policy.${what}: this system has no ${JSON.stringify(entry)}`)
    return sid
  })
}

/** The id of a group given by number or name. */
export function resolveGroupId(group: number | string): number {
  return resolveIds('group', [group], addon.resolveGroup)[0] as number
}

let lastIdentity: PeerIdentity | undefined

/** The identity of an admitted peer; frozen, as its messages and the connections that it makes in a row share it. */
export function toPeerIdentity(native: NativePeer): PeerIdentity {
  const { pid, groups, executable, label, sid } = native
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
    ...(label !== '' && { label }),
    ...(sid !== '' && { sid }),
  }))
}

/** What tells one user from another: the uid, and on Windows the SID. */
export function userOf(peer: PeerIdentity): number | string {
  return peer.sid ?? peer.uid
}

/** An identity in words, for errors and logs. */
export function describePeer(peer: NativePeer): string {
  const where = peer.executable === '' ? '' : `, executable ${JSON.stringify(peer.executable)}`
  const label = peer.label === '' ? '' : `, label ${JSON.stringify(peer.label)}`
  if (peer.sid !== '') return `sid ${peer.sid}, pid ${peer.pid}${where}`
  return `uid ${peer.uid ?? 'unknown'}, gid ${peer.gid ?? 'unknown'}, pid ${peer.pid}${where}${label}`
}
