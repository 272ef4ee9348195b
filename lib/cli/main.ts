// The command `sentinel-ipc`. Handles the process: signals, streams and the exit code. Everything else is in
// program.ts.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { parseJson } from '../base/json.js'
import { AbortController } from '../base/globals.js'
import { runProgram } from './program.js'

/** The version in the nearest package.json above this file. */
function version(): string {
  for (
    let folder = dirname(fileURLToPath(import.meta.url));
    folder !== dirname(folder);
    folder = dirname(folder)
  ) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) return (parseJson(readFileSync(file, 'utf8')) as { version: string }).version
  }
  return 'unknown'
}

/** The first signal lets the command end cleanly; a second one ends the process. */
function onSignals(): AbortSignal {
  const controller = new AbortController()
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + number)
      controller.abort()
    })
  }
  return controller.signal
}

const program = runProgram(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  signal: onSignals(),
  version,
})
// Exits explicitly, because standard input may be a terminal that is never closed.
void program.then((exitCode) => process.exit(exitCode))
