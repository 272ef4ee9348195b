// The live objects of this thread that have counts, for whatever shows them: exposeStats(), metrics. The registry keeps
// nothing alive: an object that is not closed and not used any more disappears from it as from memory.
//
// What belongs to a connection hangs on that connection, so that thousands of them cost one set entry each. Open connections
// are held by the addon anyway, so they are held here too, until they end.

import { monotonicMs } from '../base/globals.js'

/** What an object is. */
export type ObservedKind =
  | 'connection'
  | 'writer'
  | 'receiver'
  | 'buffered-sender'
  | 'subscriber'
  | 'endpoint'
  | 'acknowledging-receiver'
  | 'listener'
  | 'server'
  | 'acknowledged-sender'

/** An object with counts. Reading them must be cheap and must not throw. */
export interface Observed {
  readonly stats: object
}

/** A live object. */
export interface Entry<Kind extends ObservedKind = ObservedKind> {
  readonly kind: Kind
  readonly object: Observed
}

/** An open connection, and the objects that use it. */
export interface ConnectionEntry {
  /** Unique within the thread. */
  readonly id: number
  /** When it was opened, on the clock of `monotonicMs`. */
  readonly openedMs: number
  readonly parts: readonly Entry[]
}

interface OpenConnection {
  readonly id: number
  readonly openedMs: number
  parts: Entry[] | undefined
}

const connections = new Map<object, OpenConnection>()
let lastId = 0

/** Registers a connection until {@link forgetConnection}. */
export function observeConnection(connection: object): void {
  connections.set(connection, { id: ++lastId, openedMs: monotonicMs(), parts: undefined })
}

/** Call when a connection has ended. */
export function forgetConnection(connection: object): void {
  connections.delete(connection)
}

/** Registers an object that reads from or writes to a connection, for as long as the connection is open. */
export function observeOn(connection: object, kind: ObservedKind, object: Observed): void {
  const open = connections.get(connection)
  if (open === undefined) return
  if (open.parts === undefined) open.parts = [{ kind, object }]
  else open.parts.push({ kind, object })
}

/** The open connections, oldest first. */
export function* observedConnections<Connection extends object>(): Generator<[Connection, ConnectionEntry]> {
  for (const [connection, { id, openedMs, parts = [] }] of connections) {
    yield [connection as Connection, { id, openedMs, parts }]
  }
}

interface WeakEntry {
  readonly id: number
  readonly kind: ObservedKind
  readonly object: WeakRef<Observed>
}

let others: WeakEntry[] = []
/** Entries at which dead ones are removed: twice as many as there were alive. */
let sweepAt = 64

/** Registers an object that belongs to no single connection, until {@link forget} or until it is garbage. */
export function observe(kind: ObservedKind, object: Observed): void {
  if (others.length >= sweepAt) {
    others = others.filter((entry) => entry.object.deref() !== undefined)
    sweepAt = Math.max(64, 2 * others.length)
  }
  others.push({ id: ++lastId, kind, object: new WeakRef(object) })
}

/** Call when an object has been closed. */
export function forget(object: Observed): void {
  others = others.filter((entry) => {
    const other = entry.object.deref()
    return other !== undefined && other !== object
  })
}

/** The live objects that belong to no single connection, oldest first. */
export function* observedObjects(): Generator<Entry & { readonly id: number }> {
  for (const { id, kind, object } of others) {
    const live = object.deref()
    if (live !== undefined) yield { id, kind, object: live }
  }
}
