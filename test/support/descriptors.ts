// The open descriptors of a process, read from /proc.

import { readdirSync, readlinkSync } from 'node:fs'

/** Descriptors of this process that are sockets. */
export function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:')
    } catch {
      return false // the one that the listing itself used
    }
  }).length
}

/** Threads of this process. */
export function threads(): number {
  return readdirSync('/proc/self/task').length
}
