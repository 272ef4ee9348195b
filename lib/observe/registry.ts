// The live objects of this thread that have counts, for exposeStats() and metrics. The registry keeps no object alive:
// an object that the application forgot to close disappears when it is garbage-collected.
//
// Objects that use a connection are stored with that connection, so that each of thousands costs one map entry. Open
// connections are the exception: the addon holds them anyway, so the registry holds them too, until they end.

/** The kind of an object. */
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
  | 'spool'

/** An object with counts. Reading them must be cheap and must not throw. */
export interface Observed {
  readonly stats: object
}

/** A live object. */
export interface Entry {
  readonly kind: ObservedKind
  readonly object: Observed
}

/** The properties of a connection that the registry uses. */
export interface ObservedConnection {
  /** Unique among the connections of the thread. */
  readonly id: number
}

/** An open connection, and the objects that use it. */
export interface ConnectionEntry<Connection extends ObservedConnection> {
  readonly connection: Connection
  readonly parts: readonly Entry[]
}

/**
 * The objects on a connection. Most connections have one, and thousands may be idle, so that a single object needs no
 * array.
 */
type Parts = Observed | Observed[] | undefined

const connections = new Map<ObservedConnection, Parts>()
/** The kind of the objects of each class, so that objects need no field for it. */
const kinds = new Map<unknown, ObservedKind>()

/** Registers a connection until {@link forgetConnection}. */
export function observeConnection(connection: ObservedConnection): void {
  connections.set(connection, undefined)
}

/** Called with each object that leaves the registry, for totals. */
type LeaveListener = (entry: Entry) => void
let onLeave: LeaveListener | undefined

/**
 * Calls `listener` with each object just before it leaves the registry; undefined ends that. `listener` must not throw.
 */
export function listenForLeaving(listener: LeaveListener | undefined): void {
  onLeave = listener
}

/** Call when a connection has ended. */
export function forgetConnection(connection: ObservedConnection): void {
  if (onLeave !== undefined) for (const entry of partsOf(connections.get(connection))) onLeave(entry)
  connections.delete(connection)
}

function partsOf(parts: Parts): Entry[] {
  if (parts === undefined) return []
  const objects = Array.isArray(parts) ? parts : [parts]
  return objects.map((object) => ({ kind: kinds.get(object.constructor) as ObservedKind, object }))
}

/**
 * Registers an object that reads from or writes to a connection, for as long as the connection is open. All objects of
 * a class have the same kind.
 */
export function observeOn(connection: ObservedConnection, kind: ObservedKind, object: Observed): void {
  if (!connections.has(connection)) return
  kinds.set(object.constructor, kind)
  const parts = connections.get(connection)
  if (Array.isArray(parts)) parts.push(object)
  else connections.set(connection, parts === undefined ? object : [parts, object])
}

/** Yields the open connections, oldest first. */
export function* observedConnections<Connection extends ObservedConnection>(): Generator<
  ConnectionEntry<Connection>
> {
  for (const [connection, parts] of connections) {
    yield { connection: connection as Connection, parts: partsOf(parts) }
  }
}

interface WeakEntry {
  /** Unique among these objects. */
  readonly id: number
  readonly kind: ObservedKind
  readonly object: WeakRef<Observed>
}

let others: WeakEntry[] = []
let lastId = 0
/** Entries at which dead ones are removed: twice as many as there were alive. */
let sweepAt = 64

/** Registers an object that belongs to no single connection, until {@link forget} or until it is garbage-collected. */
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
    if (other === object) onLeave?.({ kind: entry.kind, object })
    return other !== undefined && other !== object
  })
}

/** Yields the live objects that belong to no single connection, oldest first. */
export function* observedObjects(): Generator<Entry & { readonly id: number }> {
  for (const { id, kind, object } of others) {
    const live = object.deref()
    if (live !== undefined) yield { id, kind, object: live }
  }
}
