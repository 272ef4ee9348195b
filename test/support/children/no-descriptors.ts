// Listens with 0, 1, 2, … free descriptors until that succeeds, and reports what each failure left behind. Its limit of
// descriptors is set by the program that starts it, because RLIMIT_NOFILE cannot be set from JavaScript.

import { closeSync, openSync, readdirSync, renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

import { listen } from 'sentinel-ipc'

interface Order {
  readonly directory: string
  /** Whether there is a socket to replace whose listener is gone. */
  readonly dead: boolean
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order
const { directory } = order

/** Takes all descriptors but `free`. */
function hoard(free: number): number[] {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch {
    for (const descriptor of taken.splice(0, free)) closeSync(descriptor)
    return taken
  }
}

async function failureOfListen(): Promise<string | undefined> {
  try {
    ;(await listen('test', { directory })).close()
    return undefined
  } catch (error) {
    const { code, cause } = error as { code: string; cause?: { code: string } }
    return `${code} ${cause?.code ?? ''}`
  }
}

function holding(): { files: string[]; descriptors: number } {
  return { files: readdirSync(directory).sort(), descriptors: readdirSync('/proc/self/fd').length }
}

if (order.dead) {
  // Closing removes a socket by its name, so it is moved first.
  const server = createServer()
  const made = join(directory, 'made')
  await new Promise<void>((resolve) => server.listen(made, resolve))
  renameSync(made, join(directory, 'test.sock'))
  await new Promise((resolve) => server.close(resolve))
}

// What an environment opens once stays open: its set of connections, and whatever Node needs.
;(await listen('other', { directory })).close()

const before = holding()
const failures: { error: string; after: ReturnType<typeof holding> }[] = []
for (let free = 0; ; ++free) {
  const taken = hoard(free)
  const error = await failureOfListen()
  for (const descriptor of taken) closeSync(descriptor)
  if (error === undefined) break
  failures.push({ error, after: holding() })
}
await new Promise((resolve) => setTimeout(resolve, 50))
process.send?.({ before, failures, end: holding() })
process.disconnect()
