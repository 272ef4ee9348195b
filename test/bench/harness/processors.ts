// Assigns the processes of a trial to processors, and keeps the processors from sleeping meanwhile (Linux). Both
// contestants of a ratio are treated alike, and the report says what was done.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

import { programPath } from './project.js'

/** The processors for each side, in the words of taskset; undefined where there is only one, or no way to choose. */
export type Halves = readonly [consumer: string, producer: string]

/** Half of the processors of this process for each side, so that a side with several threads can use them. */
export function halveProcessors(): Halves | undefined {
  const all = allowedProcessors()
  const middle = all.length >> 1
  return middle === 0 ? undefined : [all.slice(0, middle).join(','), all.slice(middle).join(',')]
}

function allowedProcessors(): number[] {
  let status
  try {
    status = readFileSync('/proc/self/status', 'utf8')
  } catch {
    return [] // not Linux
  }
  const ranges = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1]?.split(',') ?? []
  return ranges.flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Keeps the processors awake. Returns a function that ends it. */
export async function keepAwake(): Promise<() => void> {
  const child = spawn(programPath('native'), ['awake'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  if (child.exitCode !== null) throw new Error('the program that keeps the processors awake ended')
  return () => {
    child.stdin.end()
  }
}
