// What tests say differently on POSIX and on Windows: who this process is, who nobody is, where a socket stands.

import { readlinkSync } from 'node:fs'

import { resolveAddress } from '../../lib/connection/address.js'
import type { PeerPolicy } from '../../lib/peer/peer.js'

export const windows = process.platform === 'win32'

/** Lets in a user whom there is not. */
export const strangers: PeerPolicy = windows ? { sids: ['S-1-5-21-1-2-3-4000000'] } : { users: [4_000_000] }

/** What every peer of the same process is known by. */
export const self = windows
  ? { pid: process.pid, uid: -1, gid: -1 }
  : { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() }

/** How messages name this process's user. */
export const selfText = windows ? 'S-1-5-21-' : `uid ${process.getuid?.() ?? ''}`

/** The program that runs. */
export const program = windows ? process.execPath : readlinkSync('/proc/self/exe')

/** Where a listener of that name stands. */
export function socketIn(directory: string, name = 'test'): string {
  if (windows && name === 'swarm') return '\\\\.\\pipe\\sentinel_swarm'
  return resolveAddress(name, { directory })
}
