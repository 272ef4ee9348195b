// exposeStats(): serves the counts of this thread, and its audit events, at an address of their own. Built on what
// every application uses: a listener with a policy, and an endpoint per client.

import { anything, checkOptions, signal, type OptionTable } from '../base/options.js'
import { monotonicMs } from '../base/globals.js'
import type { AddressOptions } from '../connection/address.js'
import { ADDRESS_TABLE } from '../connection/address.js'
import type { Connection } from '../connection/connection.js'
import type { ListenOptions } from '../connection/listen-options.js'
import { listen, type Listener } from '../connection/listener.js'
import { newSOCMessage, rawJSON, type RawJSON } from '../message/new-message.js'
import type { PeerPolicy } from '../peer/policy.js'
import { Endpoint } from '../services/endpoint.js'
import { serve, type Server } from '../services/server.js'
import { followAudit, type AuditRecord } from './audit-feed.js'
import { LoopLag } from './loop-lag.js'
import { AUDIT_EVENT_TYPE, AUDIT_TYPE, statsName, STATS_TYPE } from './protocol.js'
import { snapshotText } from './snapshot.js'

/** Options of {@link exposeStats}. */
export interface ExposeStatsOptions extends AddressOptions {
  /** Who may read the counts. Default: the user of this process. */
  readonly policy?: PeerPolicy
  /** Permissions of the socket, as for `listen`. Default: 0o600. */
  readonly mode?: ListenOptions['mode']
  /** Group of the socket, as for `listen`. */
  readonly group?: number | string
  /** Closes the endpoint when it fires. */
  readonly signal?: AbortSignal
}

const TABLE: OptionTable<ExposeStatsOptions> = {
  ...ADDRESS_TABLE,
  policy: anything, // listen checks these
  mode: anything,
  group: anything,
  signal,
}

/** Readers at once; each of them costs little. */
const MOST_READERS = 16
/** Within this time, readers get the same snapshot again. */
const SNAPSHOT_EVERY_MS = 50
/** Audit events that wait for one follower; further ones are counted and dropped. */
const MOST_WAITING = 1000

// Set by the static block of StatsServer, whose constructor is private.
let createStatsServer: (name: string, listener: Listener, onStop: AbortSignal | undefined) => StatsServer

/**
 * Exposes the counts of this thread until it is closed. Made by {@link exposeStats}. Does not keep the process alive.
 */
export class StatsServer {
  /** Path of the socket, or (Windows) name of the pipe. */
  readonly address: string
  readonly #name: string
  readonly #server: Server
  readonly #lag = new LoopLag()
  #snapshot: RawJSON | undefined
  #takenMs = -Infinity

  private constructor(name: string, listener: Listener, onStop: AbortSignal | undefined) {
    this.#name = name
    this.address = listener.address
    this.#server = serve(
      listener.unref(),
      (connection) => this.#serve(connection.unref()),
      // A client's mistake ends its own connection, and needs no report.
      { onError: () => undefined, ...(onStop !== undefined && { signal: onStop }) },
    )
  }

  static {
    createStatsServer = (name, listener, onStop) => new this(name, listener, onStop)
  }

  /** Stops exposing the counts. Safe to call again. */
  async close(): Promise<void> {
    this.#lag.stop()
    await this.#server.close({ timeoutMs: 1 })
  }

  /** Calls {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #serve(connection: Connection): Promise<void> {
    const endpoint = new Endpoint(connection, `stats of ${this.#name}`)
    endpoint.respond(STATS_TYPE, () => this.#read())
    let unfollow: (() => void) | undefined
    endpoint.respond(AUDIT_TYPE, () => {
      unfollow ??= followAudit(this.#forward(endpoint))
      return { following: true }
    })
    try {
      await endpoint.whenClosed()
    } finally {
      unfollow?.()
    }
  }

  #read(): RawJSON {
    const now = monotonicMs()
    if (this.#snapshot === undefined || now - this.#takenMs >= SNAPSHOT_EVERY_MS) {
      this.#takenMs = now
      this.#snapshot = rawJSON(snapshotText(this.#name, this.address, this.#lag.take()))
    }
    return this.#snapshot
  }

  /**
   * Returns a function that sends audit events to a follower. A slow follower misses some, and is sent their number.
   */
  #forward(endpoint: Endpoint): (record: AuditRecord) => void {
    let waiting = 0
    let omitted = 0
    return (record) => {
      // The connections of readers would drown out all other events.
      if (record.address === this.address && record.event !== 'reject') return
      if (waiting >= MOST_WAITING) {
        ++omitted
        return
      }
      ++waiting
      const content = omitted === 0 ? record : { ...record, missed: omitted }
      omitted = 0
      const done = (): void => {
        --waiting
      }
      endpoint.send(newSOCMessage(AUDIT_EVENT_TYPE, content)).then(done, done)
    }
  }
}

/**
 * Exposes the counts of this thread, for `sentinel-ipc top`, `sentinel-ipc audit` and {@link readStats}: of every
 * connection, listener, server and acknowledged sender, including those made before this call. They are served at an
 * address of their own, `<name>.stats`, under a policy of its own; by default only the user of this process can read
 * them. Costs nothing while nothing reads them. Does not keep the process alive.
 *
 * @param name name of the process or service, as for `listen`
 * @throws as `listen`
 */
export async function exposeStats(name: string, options?: ExposeStatsOptions): Promise<StatsServer> {
  const { signal: onStop, ...given } = checkOptions('exposeStats', options, TABLE)
  const listener = await listen(statsName(name), {
    ...given,
    maxConnections: MOST_READERS,
    ...(onStop !== undefined && { signal: onStop }),
  })
  return createStatsServer(name, listener, onStop)
}
