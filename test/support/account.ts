// Lines that are charged to the account of their user, and connections that fill it, for the tests of what is charged.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { expect } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import type { Listener } from '../../lib/connection/listener.js'
import { rawTo } from './pair.js'
import { until } from './wait.js'

/** A message of about a kilobyte. */
export const LINE = '{"type":"a","payload":"'.padEnd(1000, 'x') + '"}\n'

export const BOUND = 1 << 20
/** The longest line, with the window that it came in. */
const LINE_ROOM = (1 << 20) + (1 << 17)
const LONG_LINES = 30

/** Connections that have begun a long line each before the account is full, and then send the rest. */
export async function beginLongLines(listener: Listener, serve: (server: Connection) => void): Promise<void> {
  const begun = 20_000
  const peers: Socket[] = []
  for (let i = 0; i < LONG_LINES; ++i) {
    const { raw, server } = await rawTo(listener)
    serve(server)
    raw.resume()
    raw.write(`{"type":"ask","id":"${i}","payload":"`.padEnd(begun, 'x'))
    peers.push(raw)
  }
  await until(() => listener.stats.heldBytes >= LONG_LINES * begun)
  for (const raw of peers) raw.write(`${'x'.repeat(900_000)}"}\n`)
}

/** Finishes the messages in hand whenever no more arrive. In the end every line has been handed out. */
export async function finishInTurns<Item>(
  listener: Listener,
  items: Item[],
  finish: (item: Item) => void,
): Promise<void> {
  let finished = 0
  while (finished < LONG_LINES) {
    await until(() => items.length > 0)
    await sleep(20)
    expect(listener.stats.heldBytes).toBeLessThanOrEqual(2 * BOUND + LINE_ROOM)
    for (const item of items.splice(0)) {
      finish(item)
      ++finished
    }
  }
  await until(() => listener.stats.heldBytes === 0)
}
