// Processor time used by processes. Other running programs affect it much less than they affect a rate.

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

/** The same for a process with all its descendants. */
export function treeProcessorTimeNs(pid: number): number {
  let total = processorTimeNs(pid)
  for (const child of readChildren(pid)) total += treeProcessorTimeNs(child)
  return total
}

function readChildren(pid: number): number[] {
  return readThreads(pid).flatMap((thread) => {
    try {
      return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter(Boolean)
        .map(Number)
    } catch {
      return []
    }
  })
}

function readThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}
