// Values that differ between POSIX and Windows: the own identity, a policy that admits no existing user, socket paths.

import { readlinkSync } from 'node:fs'

import { resolveAddress } from '../../lib/connection/address.js'
import type { PeerPolicy } from '../../lib/peer/policy.js'

export const windows = process.platform === 'win32'

/** A policy that admits only a user that does not exist. */
export const strangers: PeerPolicy = windows ? { sids: ['S-1-5-21-1-2-3-4000000'] } : { users: [4_000_000] }

/** The identity of a peer in this process. */
export const self = windows
  ? { pid: process.pid, uid: -1, gid: -1 }
  : { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() }

/** The user of this process as error texts name it. */
export const selfText = windows ? 'S-1-5-21-' : `uid ${process.getuid?.() ?? ''}`

/** Path of the running program. */
export const program = windows ? process.execPath : readlinkSync('/proc/self/exe')

/** The address of a listener with this name. */
export function socketIn(directory: string, name = 'test'): string {
  if (windows && name === 'swarm') return '\\\\.\\pipe\\sentinel_swarm'
  return resolveAddress(name, { directory })
}
