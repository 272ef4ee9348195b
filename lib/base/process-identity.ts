// Tells a process from an earlier or later one that has the same id. Must not know what anybody wants with it.

import { readFileSync } from 'node:fs'

/** When a process was started, and since which boot; undefined where there is none, or the system does not tell. */
export function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return `${fields[19] ?? ''}-${boot}`
  } catch {
    return undefined
  }
}
