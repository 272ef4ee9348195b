// The snapshot of exposeStats(): the connections of a process, and every other object that has counts. Plain JSON,
// within the size of one message.

import { monotonicMs } from '../base/globals.js'
import type { Connection } from '../connection/connection.js'
import { MAX_MESSAGE_BYTES } from '../message/envelope.js'
import type { LatencyStats } from '../observe/latency.js'
import {
  observedConnections,
  observedObjects,
  type ConnectionEntry,
  type Observed,
  type ObservedKind,
} from '../observe/registry.js'

/** One open connection. Counts are since it was opened. */
export interface ConnectionSnapshot {
  /** The number that events and traces of the connection carry: unique within the process's thread. */
  readonly id: number
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  /** Process id of the peer. For display only. */
  readonly pid: number
  /** User id of the peer; -1 on Windows. */
  readonly uid: number
  /** Program of the peer, where the system reports it. */
  readonly executable?: string
  /** Unit of systemd of the peer, where the system reports it. */
  readonly unit?: string
  /** Milliseconds since it was opened. */
  readonly ageMs: number
  /** Messages read. */
  readonly received: number
  /** Bytes read. */
  readonly receivedBytes: number
  /** Lines that were not messages. */
  readonly invalid: number
  /** Messages written. */
  readonly sent: number
  /** Bytes given to the kernel. */
  readonly sentBytes: number
  /** Messages and requests that wait for the peer. */
  readonly pending: number
  /** Messages dropped because the peer was too slow. */
  readonly dropped: number
  /** Whether the kernel accepts no more bytes because the peer does not read. */
  readonly blocked: boolean
  /** Durations of requests, if an `Endpoint` on this connection made any. */
  readonly latency?: LatencyStats
  /** The objects that use it: `receiver`, `endpoint` … */
  readonly uses: readonly string[]
}

/** A listener, a server, an acknowledged sender or a spool. */
export interface ObjectSnapshot {
  /** A number from 1, unique among these objects of the process's thread. */
  readonly id: number
  /** The kind of the object: `listener`, `server` … */
  readonly kind: string
  /** Its address, name or directory, if it has one. */
  readonly name?: string
  /** Its `stats`. */
  readonly stats: Readonly<Record<string, unknown>>
}

/** A process, as {@link readStats} returns it. */
export interface StatsSnapshot {
  /** Version of this format. */
  readonly version: 1
  /** The name under which the process exposes its counts. */
  readonly name: string
  /** Process id. */
  readonly pid: number
  /** Version of Node. */
  readonly node: string
  /** Unix time in milliseconds. */
  readonly timeMs: number
  /** Milliseconds on a clock that cannot be set, for rates. */
  readonly monotonicMs: number
  /** How long the process has run, in milliseconds. */
  readonly uptimeMs: number
  /** Milliseconds of processor time used: user and system. */
  readonly cpuMs: number
  /** Resident memory, in bytes. */
  readonly rssBytes: number
  /** Longest delay of a timer since the last snapshot, in milliseconds: how busy the event loop is. */
  readonly loopLagMs: number
  /** Open connections, the busiest ones first. */
  readonly connections: readonly ConnectionSnapshot[]
  /** Open connections left out because there are too many. */
  readonly omitted: number
  /** Listeners, servers, acknowledged senders, spools. */
  readonly objects: readonly ObjectSnapshot[]
}

/** Connections and objects in one snapshot, so that it fits into one message. */
const MOST = 1000
/** Longest text of a peer or of the application in a snapshot. */
const MOST_TEXT = 200
/** Bytes of a snapshot: a message, except for its envelope. */
const MOST_BYTES = MAX_MESSAGE_BYTES - 4096

/** Takes a snapshot of this thread, without the connections of the readers at `ownAddress`. */
function takeSnapshot(name: string, ownAddress: string, loopLagMs: number): StatsSnapshot {
  const { user, system } = process.cpuUsage()
  const all = [...observedConnections<Connection>()]
    .filter(({ connection }) => connection.address !== ownAddress)
    .map(toSnapshot)
  const connections = busiest(all, MOST)
  return {
    version: 1,
    name,
    pid: process.pid,
    node: process.version,
    timeMs: Date.now(),
    monotonicMs: monotonicMs(),
    uptimeMs: Math.round(process.uptime() * 1000),
    cpuMs: Math.round((user + system) / 1000),
    rssBytes: process.memoryUsage.rss(),
    loopLagMs,
    connections,
    omitted: all.length - connections.length,
    objects: [...objects()],
  }
}

/**
 * Takes a snapshot as JSON that fits into one message: peers choose how long the texts get, by characters that JSON
 * escapes. Leaves out the quiet connections, and some objects, where that is necessary.
 */
export function snapshotText(name: string, ownAddress: string, loopLagMs: number): string {
  const snapshot = takeSnapshot(name, ownAddress, loopLagMs)
  let text = JSON.stringify(snapshot)
  for (let most = MOST >> 1; Buffer.byteLength(text) > MOST_BYTES && most > 0; most >>= 1) {
    text = JSON.stringify(shortened(snapshot, most))
  }
  return text
}

function shortened(snapshot: StatsSnapshot, most: number): StatsSnapshot {
  const connections = busiest(snapshot.connections, most)
  return {
    ...snapshot,
    connections,
    omitted: snapshot.omitted + snapshot.connections.length - connections.length,
    objects: snapshot.objects.slice(0, most),
  }
}

/** Returns at most `most` connections: all in their order, or those with the most traffic. */
function busiest(all: readonly ConnectionSnapshot[], most: number): readonly ConnectionSnapshot[] {
  return all.length <= most
    ? all
    : [...all].sort((one, other) => trafficOf(other) - trafficOf(one)).slice(0, most)
}

function trafficOf({ receivedBytes, received, sentBytes }: ConnectionSnapshot): number {
  return receivedBytes + received + sentBytes
}

function* objects(): Generator<ObjectSnapshot> {
  let count = 0
  for (const { id, kind, object } of observedObjects()) {
    if (++count > MOST) return
    const name = nameOf(object)
    yield { id, kind, ...(name !== undefined && { name }), stats: statsOf(object) }
  }
}

function nameOf(object: Observed): string | undefined {
  const { address, name, directory } = object as { address?: unknown; name?: unknown; directory?: unknown }
  const text = [address, name, directory].find((value) => typeof value === 'string')
  return text?.slice(0, MOST_TEXT)
}

function statsOf(object: Observed): Record<string, unknown> {
  return { ...object.stats }
}

function toSnapshot({ connection, parts }: ConnectionEntry<Connection>): ConnectionSnapshot {
  const { id, address, peer, ageMs } = connection
  const sums = new Sums()
  for (const { kind, object } of parts) sums.add(kind, statsOf(object))
  const { executable, unit } = peer
  return {
    id,
    address,
    pid: peer.pid,
    uid: peer.uid,
    ...(executable !== undefined && { executable: executable.slice(0, MOST_TEXT) }),
    ...(unit !== undefined && { unit: unit.slice(0, MOST_TEXT) }),
    ageMs,
    ...sums.result(),
  }
}

type Counts = Omit<ConnectionSnapshot, 'id' | 'address' | 'pid' | 'uid' | 'executable' | 'unit' | 'ageMs'>

/** Adds up the counts of the objects on one connection. */
class Sums {
  #received = 0
  #receivedBytes = 0
  #invalid = 0
  #sent = 0
  #sentBytes = 0
  #pending = 0
  #dropped = 0
  #blocked = false
  #latency: LatencyStats | undefined
  readonly #uses: string[] = []

  add(kind: ObservedKind, stats: Readonly<Record<string, unknown>>): void {
    const count = (key: string): number => {
      const value = stats[key]
      return typeof value === 'number' ? value : 0
    }
    if (kind !== 'writer') this.#uses.push(kind)
    switch (kind) {
      case 'writer':
        this.#sent += count('messages')
        this.#sentBytes += count('bytes')
        this.#blocked ||= stats['blocked'] === true
        break
      case 'receiver':
        this.#received += count('received')
        this.#receivedBytes += count('bytes')
        this.#invalid += count('invalid')
        break
      case 'acknowledging-receiver':
        this.#received += count('received')
        this.#receivedBytes += count('bytes')
        this.#invalid += count('invalid')
        this.#pending += count('waiting') + count('inHand')
        break
      case 'subscriber':
        // A subscriber hands lines to the writer, which does not count them as messages.
        this.#sent += count('written')
        this.#pending += count('pending')
        this.#dropped += count('dropped')
        break
      case 'buffered-sender':
        this.#pending += count('pending')
        this.#dropped += count('dropped')
        break
      case 'endpoint':
        this.#pending += count('pending') + count('handling')
        this.#dropped += count('dropped')
        this.#latency = stats['latency'] as LatencyStats
        break
      default:
    }
  }

  result(): Counts {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      invalid: this.#invalid,
      sent: this.#sent,
      sentBytes: this.#sentBytes,
      pending: this.#pending,
      dropped: this.#dropped,
      blocked: this.#blocked,
      ...(this.#latency !== undefined && this.#latency.count > 0 && { latency: this.#latency }),
      uses: this.#uses,
    }
  }
}
