// What a forked process reports, for programs that run without vitest; tests use child.ts.

import type { ChildProcess } from 'node:child_process'

/** The next report of a process. Rejects if the process ends instead. */
export function reportOf<Report>(child: ChildProcess): Promise<Report> {
  return new Promise((resolve, reject) => {
    child.once('message', (report) => {
      resolve(report as Report)
    })
    child.once('exit', (code) => {
      reject(new Error(`a process ended with ${code ?? 'a signal'}`))
    })
  })
}
