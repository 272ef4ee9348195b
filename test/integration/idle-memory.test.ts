// The memory that an idle connection takes in the process that accepted it.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, expect, it } from 'vitest'

import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'

const ROUNDS = 6
const CONNECTIONS = 250
/** A connection, its socket and input, a receiver and its queue, a promise. Measured: 710 with Node 20. */
const MOST_BYTES = 800

const open: Socket[] = []

afterAll(() => {
  for (const socket of open) socket.destroy()
})

async function connectTo(path: string): Promise<void> {
  const socket = connect(path)
  open.push(socket)
  await once(socket, 'connect')
}

it(`takes at most ${MOST_BYTES} bytes of heap for a connection with a receiver that waits`, async () => {
  const child = startChild(
    'idle-listener',
    { directory: temporaryDirectory(), connections: CONNECTIONS },
    { execArgv: ['--expose-gc'] },
  )
  const path = await child.report<string>()
  const heap: number[] = []
  for (let round = 0; round < ROUNDS; ++round) {
    for (let i = 0; i < CONNECTIONS; ++i) await connectTo(path)
    heap.push(await child.report<number>())
  }
  const growth = heap.slice(1).map((bytes, i) => (bytes - (heap[i] as number)) / CONNECTIONS)
  // Tables that double in size, and code that is compiled, count only in some rounds.
  expect(Math.min(...growth)).toBeLessThan(MOST_BYTES)
}, 60_000)
