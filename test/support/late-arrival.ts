// Connections on which so much has arrived that reading it takes many turns of the event loop, and one on which a line has
// arrived last.

import type { Socket } from 'node:net'

import type { Connection } from '../../lib/connection/connection.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { temporaryDirectory } from './directory.js'
import { listening, rawTo } from './pair.js'

const CROWD = 100
const LINE = '{"type":"a"}\n'
/** Less than a socket holds. */
const BYTES = 60_000

async function drain(receiver: Receiver): Promise<void> {
  while ((await receiver.next()).done !== true);
}

/** Writes lines to each connection of a crowd. Nothing is read before `read` is called. */
export async function crowd(): Promise<{ read(): Promise<void> }> {
  const listener = await listening(temporaryDirectory())
  const pairs: { raw: Socket; server: Connection }[] = []
  for (let i = 0; i < CROWD; ++i) pairs.push(await rawTo(listener))
  await Promise.all(
    pairs.map(
      ({ raw }) => new Promise<void>((resolve) => raw.end(LINE.repeat(BYTES / LINE.length), resolve)),
    ),
  )
  return {
    async read(): Promise<void> {
      await Promise.all(pairs.map(({ server }) => drain(new Receiver(server, 'crowd'))))
    },
  }
}

/**
 * Begins to read a crowd, and last in line a quiet connection with a single message: it is read when the crowd has had its turn.
 * `over` resolves when all has been read.
 */
export async function lateArrival(): Promise<{ quiet: Receiver; over: Promise<void> }> {
  const loud = await crowd()
  const listener = await listening(temporaryDirectory())
  const { raw, server } = await rawTo(listener)
  await new Promise((resolve) => raw.write(LINE, resolve))
  const over = loud.read()
  return { quiet: new Receiver(server, 'quiet'), over }
}
