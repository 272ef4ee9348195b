// Policies that name the peers to admit: their checks, the lookup of their names, and what to do about a refusal.

import type { RefusalReason } from '../base/error-reasons.js'
import { anything, checkOptions, describeValue, type OptionTable } from '../base/options.js'
import { addon, type NativePolicy } from '../binding/addon.js'
import { fromNative } from '../binding/native-error.js'

/**
 * The peers to admit: peers whose user is in `users`, or whose group or any supplementary group is in `groups`. Users
 * and groups are numbers or names; names are looked up once. Without `users` and `groups`, only the user of this
 * process is admitted. On Windows `users` are names of accounts and `sids` security identifiers of users; of the other
 * rules only `executables` is supported there.
 *
 * `labels`, `units` and `executables` restrict this further: if one is given, the peer's value must be known and
 * listed. Prefer `labels`, which the kernel assigns and guards; then `units`; `executables` are a hint only.
 *
 * Always refused, regardless of the lists: a user of another user namespace without an id in this one (Linux: the
 * overflow id, 65534), and a peer whose identity cannot be read. The overflow id never matches `groups`. A peer in
 * another pid namespace (pid 0) is refused without `foreignNamespaces`.
 */
export interface PeerPolicy {
  /** Users that are admitted, by id or name (Windows: account name). */
  readonly users?: readonly (number | string)[]
  /** Groups whose members are admitted, by id or name. Not on Windows. */
  readonly groups?: readonly (number | string)[]
  /**
   * Absolute paths of programs. A hint that stops mistakes, not attacks: a process of the same user can connect, write,
   * and then become a listed program (execve(2)), or have a listed program run its code (ptrace(2), LD_PRELOAD).
   */
  readonly executables?: readonly string[]
  /**
   * Units of systemd, such as `soc-collector.service`. On Linux 6.5 and later only. A process cannot move itself into
   * the unit of another without being root, so only what the unit itself started is in it; a process of the same user
   * can still make it run code (ptrace(2)), unless the unit or Yama forbids that.
   */
  readonly units?: readonly string[]
  /** Labels of the security module (SELinux contexts, AppArmor profiles). */
  readonly labels?: readonly string[]
  /** Security identifiers of users (`S-1-5-…`). On Windows only; refused elsewhere. */
  readonly sids?: readonly string[]
  /**
   * `by-uid`: admits peers of other pid namespaces, such as containers that share the directory of the socket, by user
   * and group alone. Their `pid` is 0, and neither executable nor unit is known, so rules about these refuse them. The
   * user must have an id here; containers that are user namespaces of their own need a mapping. Default: such peers are
   * refused.
   */
  readonly foreignNamespaces?: 'by-uid'
}

const TABLE: OptionTable<PeerPolicy> = {
  users: anything, // the values are checked as they are looked up
  groups: anything,
  executables: anything,
  units: anything,
  labels: anything,
  sids: anything,
  foreignNamespaces: anything,
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
  if (!Array.isArray(entries))
    throw new TypeError(`policy.${what} must be an array, not ${describeValue(entries)}`)
  return Uint32Array.from(entries, (entry: unknown) => {
    if (typeof entry === 'number' && Number.isInteger(entry) && entry >= 0 && entry <= MAX_ID) return entry
    if (typeof entry !== 'string') {
      throw new TypeError(
        `policy.${what} contains ${describeValue(entry)}, which is neither an id nor a name`,
      )
    }
    let id: number | null
    try {
      id = lookUp(entry)
    } catch (error) {
      throw fromNative(error)
    }
    if (id === null) throw new TypeError(`policy.${what}: this system has no ${describeValue(entry)}`)
    return id
  })
}

const TEXTS = {
  executables: { pattern: WINDOWS ? /^[A-Za-z]:\\[^\0]+$/ : /^\/[^\0]+$/, what: 'absolute paths' },
  units: {
    pattern: /^[^/\0]+\.(?:service|scope|socket|mount|swap)$/,
    what: 'units of systemd, such as "name.service"',
  },
  labels: { pattern: /^[^\0]+$/, what: 'labels' },
}

function checkTexts(rule: keyof typeof TEXTS, entries: unknown): string[] {
  if (entries === undefined) return []
  const { pattern, what } = TEXTS[rule]
  if (!Array.isArray(entries) || entries.length === 0) {
    throw new TypeError(
      `policy.${rule} must be an array of ${what} that is not empty, not ${describeValue(entries)}`,
    )
  }
  return entries.map((entry: unknown) => {
    if (typeof entry === 'string' && pattern.test(entry)) return entry
    throw new TypeError(`policy.${rule} contains ${describeValue(entry)}; it takes ${what}`)
  })
}

function checkForeignNamespaces(value: unknown): boolean {
  if (value === undefined || value === 'by-uid') return value === 'by-uid'
  throw new TypeError(`policy.foreignNamespaces must be "by-uid" or absent, not ${describeValue(value)}`)
}

/**
 * Checks a policy and looks up its names. Without users and groups, the policy admits the effective user of this
 * process.
 *
 * @throws TypeError for names that do not exist, unknown keys, and a policy that lets no peer in
 */
export function resolvePolicy(given: PeerPolicy | undefined): NativePolicy {
  const policy = checkOptions('policy', given, TABLE)
  if (WINDOWS) return resolveWindowsPolicy(policy)
  const { users, groups, executables, units, labels, sids, foreignNamespaces } = policy
  if (sids !== undefined)
    throw new TypeError('policy.sids has a meaning on Windows only; use users or groups')
  const narrowing = {
    executables: checkTexts('executables', executables),
    units: checkTexts('units', units),
    labels: checkTexts('labels', labels),
    sids: [],
    foreignNamespaces: checkForeignNamespaces(foreignNamespaces),
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
  if (resolved.users.length + resolved.groups.length === 0) {
    throw new TypeError('the policy admits no peer: its users and groups are empty')
  }
  return resolved
}

function resolveWindowsPolicy(policy: PeerPolicy): NativePolicy {
  const { users, executables, sids } = policy
  for (const rule of ['groups', 'units', 'labels', 'foreignNamespaces'] as const) {
    if (policy[rule] !== undefined) throw new TypeError(`policy.${rule} has no meaning on Windows`)
  }
  const rest = {
    users: new Uint32Array(0),
    groups: new Uint32Array(0),
    executables: checkTexts('executables', executables),
    units: [],
    labels: [],
    foreignNamespaces: false,
  }
  if (users === undefined && sids === undefined) return { ...rest, sids: [addon.ownUser().sid] }
  const resolved = [...resolveSids('users', users), ...resolveSids('sids', sids)]
  if (resolved.length === 0) throw new TypeError('the policy admits no peer: its users and sids are empty')
  return { ...rest, sids: resolved }
}

function resolveSids(what: 'users' | 'sids', entries: unknown): string[] {
  if (entries === undefined) return []
  if (!Array.isArray(entries))
    throw new TypeError(`policy.${what} must be an array, not ${describeValue(entries)}`)
  return entries.map((entry: unknown) => {
    if (typeof entry !== 'string' || entry.includes('\0') || SID.test(entry) !== (what === 'sids')) {
      const kind = what === 'sids' ? 'a security identifier' : 'the name of an account'
      throw new TypeError(`policy.${what} contains ${describeValue(entry)}, which is not ${kind}`)
    }
    let sid: string | null
    try {
      sid = addon.resolveSid(entry)
    } catch (error) {
      throw fromNative(error)
    }
    if (sid === null) throw new TypeError(`policy.${what}: this system has no ${describeValue(entry)}`)
    return sid
  })
}

/** Returns the id of a group, given by number or name. */
export function resolveGroupId(group: number | string): number {
  return resolveIds('group', [group], addon.resolveGroup)[0] as number
}

const EXPLANATIONS: Readonly<Partial<Record<RefusalReason, string>>> = {
  'unmapped-user':
    'its user has no id in the user namespace of this process, so the kernel shows the overflow id; ' +
    'map the user into this namespace (newuidmap(1)), or run both in one user namespace',
  'foreign-process':
    'it is in another pid namespace, as in another container; ' +
    "share the pid namespace, or set policy.foreignNamespaces to 'by-uid'",
  'executable-unknown': 'the policy lists executables, but that of this process cannot be read',
  'unit-unknown': 'the policy lists units, but no systemd unit could be read for this process',
  'label-unknown': 'the policy lists labels, but no security module has labelled this process',
}

/**
 * Returns why a peer was refused and what to do about it, as the end of a sentence; '' if the reason needs no
 * explanation.
 */
export function explainRefusal(reason: RefusalReason): string {
  const explanation = EXPLANATIONS[reason]
  return explanation === undefined ? '' : `: ${explanation}`
}
