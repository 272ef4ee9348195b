// Lets code that only writes to a connection finish when its server drains. Code that reads notices the end of its
// stream instead.

import { endReading, inputOf, type Connection } from '../connection/connection.js'

/** Begins to finish. Resolves when everything is written; must not reject. */
type Finish = () => Promise<void>

const writers = new WeakMap<Connection, Set<Finish>>()

/**
 * Calls `finish` when the server of a connection drains, unless the connection has a reader, whose stream ends. The
 * connection closes when all functions that were passed for it have resolved.
 *
 * @returns a function that withdraws `finish`
 */
export function onDraining(connection: Connection, finish: Finish): () => void {
  let all = writers.get(connection)
  if (all === undefined) writers.set(connection, (all = new Set()))
  all.add(finish)
  return () => {
    all.delete(finish)
  }
}

/** Ends reading from the connection. If it has no reader, its writers finish, and then it closes. */
export function drain(connection: Connection): void {
  endReading(connection)
  const all = writers.get(connection)
  if (all === undefined || all.size === 0 || inputOf(connection) !== undefined) return
  void closeAfter(connection, [...all])
}

async function closeAfter(connection: Connection, finishing: readonly Finish[]): Promise<void> {
  await Promise.all(finishing.map((finish) => finish()))
  await connection.close().catch(() => undefined)
}
