// Notifies code that only writes to a connection when its server drains. Code that reads notices the end of its stream
// instead.

import { endReading, hasReader, type Connection } from '../connection/connection.js'

const listeners = new WeakMap<Connection, () => void>()

/** Calls `listener` when the server of a connection drains, unless the connection has a reader, whose stream ends. */
export function onDraining(connection: Connection, listener: () => void): void {
  listeners.set(connection, listener)
}

/** Ends reading from the connection, and calls its listener if it has no reader. */
export function drain(connection: Connection): void {
  endReading(connection)
  if (!hasReader(connection)) listeners.get(connection)?.()
}
