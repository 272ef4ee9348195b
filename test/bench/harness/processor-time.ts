// Processor time that processes have used. What other programs leave over changes a rate much more than it changes this.

import { readdirSync, readFileSync } from 'node:fs'

/** Nanoseconds that all threads of a process were running (Linux: /proc/<pid>/task/<tid>/schedstat); 0 elsewhere. */
export function processorTimeNs(pid: number): number {
  let total = 0
  for (const thread of readThreads(pid)) {
    try {
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // The thread has ended.
    }
  }
  return total
}

function readThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}
