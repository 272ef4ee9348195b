// Computes the values that top shows from two snapshots of a process: rates, shares, and the lag of acknowledged
// senders.

import type { ConnectionSnapshot, ObjectSnapshot, StatsSnapshot } from '../../stats/snapshot.js'

/** The traffic of a connection or of a whole process. Rates are per second. */
interface Traffic {
  readonly inRate: number
  readonly outRate: number
  readonly inBytes: number
  readonly outBytes: number
  readonly pending: number
  readonly dropped: number
}

/** The values of one connection. */
export interface ConnectionView extends Traffic {
  readonly id: number
  readonly address: string
  readonly peer: string
  readonly invalid: number
  readonly blocked: boolean
  /** Half of the replies to requests took at most this long; undefined without requests. */
  readonly latencyMs: number | undefined
  readonly uses: string
}

/** A spool that a process has open. */
export interface SpoolView {
  readonly directory: string
  readonly messages: number
  readonly bytes: number
  /** Share of its `maxBytes`, in percent. */
  readonly full: number
}

/** The values of one process. */
export interface ProcessView extends Traffic {
  readonly name: string
  readonly pid: number
  /** Share of one processor, in percent. */
  readonly cpu: number
  readonly rssBytes: number
  readonly loopLagMs: number
  readonly uptimeMs: number
  /** Clients that listeners turned away, per second and in all. */
  readonly refusedRate: number
  readonly refused: number
  /** The lag of acknowledged senders: messages without an outcome, divided by the rate of outcomes. */
  readonly lagMs: number | undefined
  readonly open: number
  readonly omitted: number
  readonly connections: readonly ConnectionView[]
  readonly spools: readonly SpoolView[]
}

/** A process that cannot be read at present, and the reason. */
export interface MissingView {
  readonly name: string
  readonly error: string
}

export type View = ProcessView | MissingView

export function isMissing(view: View): view is MissingView {
  return 'error' in view
}

/** Computes the changes between two snapshots. All rates are 0 without an earlier snapshot of the same process. */
export function viewOf(now: StatsSnapshot, given: StatsSnapshot | undefined): ProcessView {
  const before = given?.pid === now.pid ? given : undefined
  const seconds =
    before === undefined ? Infinity : Math.max(1e-3, (now.monotonicMs - before.monotonicMs) / 1000)
  const earlier = new Map(before?.connections.map((connection) => [connection.id, connection]))
  const connections = now.connections.map((connection) =>
    connectionView(connection, earlier.get(connection.id), seconds, before !== undefined),
  )
  const sum = (key: 'inRate' | 'outRate' | 'inBytes' | 'outBytes' | 'pending' | 'dropped'): number =>
    rounded(connections.reduce((all, connection) => all + connection[key], 0))
  const refused = total(now.objects, 'listener', 'refused')
  const senders = acknowledgedSenders(now.objects)
  const settled = senders.settled - acknowledgedSenders(before?.objects ?? []).settled
  return {
    name: now.name,
    pid: now.pid,
    cpu: before === undefined ? 0 : rounded(growth(now.cpuMs, before.cpuMs) / seconds / 10),
    rssBytes: now.rssBytes,
    loopLagMs: now.loopLagMs,
    uptimeMs: now.uptimeMs,
    inRate: sum('inRate'),
    outRate: sum('outRate'),
    inBytes: sum('inBytes'),
    outBytes: sum('outBytes'),
    pending: sum('pending') + senders.pending,
    dropped: sum('dropped') + senders.dropped,
    refusedRate:
      before === undefined
        ? 0
        : rounded(growth(refused, total(before.objects, 'listener', 'refused')) / seconds),
    refused,
    lagMs: lagOf(senders.pending, before === undefined ? 0 : settled / seconds),
    open: now.connections.length + now.omitted,
    omitted: now.omitted,
    connections,
    spools: now.objects.filter(({ kind }) => kind === 'spool').map(spoolView),
  }
}

function spoolView(spool: ObjectSnapshot): SpoolView {
  const bytes = countOf(spool, 'bytes')
  return {
    directory: spool.name ?? '',
    messages: countOf(spool, 'messages'),
    bytes,
    full: rounded((bytes / Math.max(1, countOf(spool, 'maxBytes'))) * 100),
  }
}

/** Returns the lag in milliseconds by Little's law: undefined if nothing waits, Infinity if nothing moves. */
function lagOf(pending: number, rate: number): number | undefined {
  return pending === 0 ? undefined : (pending / Math.max(0, rate)) * 1000
}

function countOf({ stats }: ObjectSnapshot, key: string): number {
  const value = stats[key]
  return typeof value === 'number' ? value : 0
}

function total(objects: readonly ObjectSnapshot[], kind: string, key: string): number {
  return objects.reduce((sum, object) => sum + (object.kind === kind ? countOf(object, key) : 0), 0)
}

function acknowledgedSenders(objects: readonly ObjectSnapshot[]): {
  pending: number
  dropped: number
  settled: number
} {
  const of = (key: string): number => total(objects, 'acknowledged-sender', key)
  return {
    pending: of('pending'),
    dropped: of('dropped'),
    settled: of('acknowledged') + of('rejected') + of('written'),
  }
}

function connectionView(
  now: ConnectionSnapshot,
  before: ConnectionSnapshot | undefined,
  seconds: number,
  known: boolean,
): ConnectionView {
  // A connection opened since the earlier snapshot counts from 0.
  const rate = (key: 'received' | 'sent' | 'receivedBytes' | 'sentBytes'): number =>
    known ? rounded(growth(now[key], before?.[key] ?? 0) / seconds) : 0
  return {
    id: now.id,
    address: now.address,
    peer: peerText(now),
    inRate: rate('received'),
    outRate: rate('sent'),
    inBytes: rate('receivedBytes'),
    outBytes: rate('sentBytes'),
    pending: now.pending,
    dropped: now.dropped,
    invalid: now.invalid,
    blocked: now.blocked,
    latencyMs: now.latency?.p50,
    uses: now.uses.join(' '),
  }
}

/** By how much a count has grown. A process may report any counts, even smaller ones than before. */
function growth(now: number, before: number): number {
  return Math.max(0, now - before)
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

/** `soc.service 1234`, `node 1234`, `uid 1000 pid 1234`. Chosen by the peer. */
function peerText({ pid, uid, unit, executable }: ConnectionSnapshot): string {
  const name = unit ?? executable?.split(/[/\\]/).at(-1) ?? `uid ${uid}`
  return `${name.slice(0, 40)} ${pid}`
}
