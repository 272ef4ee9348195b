// How a server that drains tells those that only write to a connection: nothing that they could read ends for them.

import { endReading, hasReader, type Connection } from '../connection/connection.js'

const listeners = new WeakMap<Connection, () => void>()

/** Has `listener` called when the server of a connection drains, unless the connection has a reader, whose stream ends. */
export function onDraining(connection: Connection, listener: () => void): void {
  listeners.set(connection, listener)
}

/** The connection is read no further. */
export function drain(connection: Connection): void {
  endReading(connection)
  if (!hasReader(connection)) listeners.get(connection)?.()
}
