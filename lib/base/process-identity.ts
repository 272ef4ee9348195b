// Tells a process from an earlier or later one with the same id, and one boot of the machine from another (Linux,
// proc(5)).

import { readFileSync } from 'node:fs'

let boot: string | undefined
let own: string | undefined

/** Identifies the current boot of the machine. Undefined where the system has no such id. */
export function bootId(): string | undefined {
  return (boot ??= readText('/proc/sys/kernel/random/boot_id')?.trim())
}

/**
 * Identifies one run of a process: its start time in clock ticks, and the boot. Undefined if no such process runs, if
 * it is a zombie, or where the system has no /proc.
 */
export function processStart(pid: number): string | undefined {
  return pid === process.pid ? (own ??= readStart(pid)) : readStart(pid)
}

function readStart(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === undefined || bootId() === undefined) return undefined
  // The second field, the program's name in parentheses, may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie has already released its files and locks.
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return `${fields[19] ?? ''}-${bootId() ?? ''}`
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
