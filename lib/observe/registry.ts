// The live objects of this thread that have counts, for exposeStats() and metrics. The registry keeps no object alive:
// an object that the application forgot to close disappears when it is garbage-collected.
//
// Objects that use a connection are stored with that connection, so that each of thousands costs one map entry. Open
// connections are the exception: the addon holds them anyway, so the registry holds them too, until they end.

import { monotonicMs } from '../base/globals.js'

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

/** An open connection, and the objects that use it. */
export interface ConnectionEntry {
  /** Unique within the thread. */
  readonly id: number
  /** How long it has been open, in milliseconds. */
  readonly ageMs: number
  readonly parts: readonly Entry[]
}

/** Kept small, because thousands may be idle. V8 stores whole milliseconds without an object of their own. */
class OpenConnection {
  readonly id: number
  readonly openedMs: number
  /** The objects on it; most connections have one. */
  parts: Observed | Observed[] | undefined = undefined

  constructor(id: number, openedMs: number) {
    this.id = id
    this.openedMs = openedMs
  }
}

const connections = new Map<object, OpenConnection>()
/** The kind of the objects of each class, so that objects need no field for it. */
const kinds = new Map<unknown, ObservedKind>()
let lastId = 0

/** Registers a connection until {@link forgetConnection}. */
export function observeConnection(connection: object): void {
  connections.set(connection, new OpenConnection(++lastId, Math.floor(monotonicMs())))
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
export function forgetConnection(connection: object): void {
  if (onLeave !== undefined) for (const entry of partsOf(connections.get(connection))) onLeave(entry)
  connections.delete(connection)
}

function partsOf(open: OpenConnection | undefined): Entry[] {
  if (open?.parts === undefined) return []
  const objects = Array.isArray(open.parts) ? open.parts : [open.parts]
  return objects.map((object) => ({ kind: kinds.get(object.constructor) as ObservedKind, object }))
}

/**
 * Registers an object that reads from or writes to a connection, for as long as the connection is open. All objects of a
 * class have the same kind.
 */
export function observeOn(connection: object, kind: ObservedKind, object: Observed): void {
  const open = connections.get(connection)
  if (open === undefined) return
  kinds.set(object.constructor, kind)
  const { parts } = open
  if (parts === undefined) open.parts = object
  else if (Array.isArray(parts)) parts.push(object)
  else open.parts = [parts, object]
}

/** Yields the open connections, oldest first. */
export function* observedConnections<Connection extends object>(): Generator<[Connection, ConnectionEntry]> {
  const nowMs = monotonicMs()
  for (const [connection, open] of connections) {
    const { id, openedMs } = open
    yield [connection as Connection, { id, ageMs: Math.floor(nowMs - openedMs), parts: partsOf(open) }]
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
