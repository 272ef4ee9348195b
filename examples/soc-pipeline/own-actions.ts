// Harmless things that the demo does on this machine, so that there is something to see on a quiet one: it opens two
// listening sockets, and runs a copy of /bin/sleep from the temporary directory.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than the pauses between two looks at /proc. */
const SEEN_MS = 600

/** Does them, and undoes them. Resolves with what could not be done, in words; undefined if all could. */
export async function actHarmlessly(directory: string): Promise<string | undefined> {
  const servers = [createServer(), createServer()]
  const program = join(directory, 'harmless-program')
  try {
    servers[0]?.listen(join(directory, 'harmless.sock'))
    servers[1]?.listen(0, '127.0.0.1')
    copyFileSync('/bin/sleep', program)
    chmodSync(program, 0o700)
    const child = spawn(program, [String(SEEN_MS / 1000)], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    await Promise.all([ended, sleep(SEEN_MS)])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    for (const server of servers) server.close()
  }
}
