// readStats() and StatsReader: the reading side of exposeStats().

import { IpcError } from '../base/errors.js'
import { anything, checkOptions, milliseconds, signal, type OptionTable } from '../base/options.js'
import { DIAL_TABLE, dial, type DialOptions } from '../connection/dial.js'
import type { PeerIdentity } from '../peer/peer.js'
import { Endpoint } from '../services/endpoint.js'
import type { AuditRecord } from './audit-feed.js'
import { faultOfRecord, faultOfSnapshot } from './snapshot-check.js'
import { AUDIT_EVENT_TYPE, AUDIT_TYPE, statsName, STATS_TYPE } from './protocol.js'
import type { StatsSnapshot } from './snapshot.js'

/** Options of one read. */
export interface ReadStatsOptions {
  /** How long to wait for the process, in milliseconds. Default: 5000. */
  readonly timeoutMs?: number
  /** Withdraws the read when it fires. */
  readonly signal?: AbortSignal
}

const READ_TABLE: OptionTable<ReadStatsOptions> = { timeoutMs: milliseconds, signal }
const OPEN_TABLE: OptionTable<DialOptions> = { ...DIAL_TABLE, policy: anything }

// Set by the static block of StatsReader, whose constructor is private.
let createStatsReader: (endpoint: Endpoint) => StatsReader

/** Reads the counts and follows the audit events of one process. Made by {@link openStats}. */
export class StatsReader {
  readonly #endpoint: Endpoint

  private constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  static {
    createStatsReader = (endpoint) => new this(endpoint)
  }

  /** The process, as the kernel identified it. */
  get peer(): PeerIdentity {
    return this.#endpoint.connection.peer
  }

  /**
   * Reads the current counts.
   *
   * @throws {IpcError} ERR_IPC_TIMEOUT, ERR_IPC_ABORTED, ERR_IPC_CLOSED, ERR_IPC_REMOTE; ERR_IPC_INVALID_MESSAGE if the
   * reply is not a snapshot of this version
   */
  async read(options?: ReadStatsOptions): Promise<StatsSnapshot> {
    const checked = checkOptions('read', options, READ_TABLE)
    const { payload } = await this.#endpoint.request(STATS_TYPE, undefined, checked)
    const fault = faultOfSnapshot(payload)
    if (fault !== undefined) throw this.#invalid('reply with counts', fault)
    return payload as StatsSnapshot
  }

  #invalid(does: string, fault: string): IpcError {
    return new IpcError(
      'ERR_IPC_INVALID_MESSAGE',
      `${this.#endpoint.connection.address}: the peer does not ${does} of this version: ${fault} is missing or invalid`,
      { reason: 'stats-version' },
    )
  }

  /**
   * Follows the audit events of the process from now on, until the connection ends. `missed` in an event counts the
   * events left out before it because this side was too slow. Texts in events may come from peers: escape them before
   * you show them.
   *
   * @throws {IpcError} as {@link read}; the iterator rejects with ERR_IPC_INVALID_MESSAGE if an event has another shape
   */
  async follow(
    options?: ReadStatsOptions,
  ): Promise<AsyncIterableIterator<AuditRecord, undefined, undefined>> {
    const checked = checkOptions('follow', options, READ_TABLE)
    const events = this.#events()
    await this.#endpoint.request(AUDIT_TYPE, undefined, checked)
    return events
  }

  async *#events(): AsyncGenerator<AuditRecord, undefined, undefined> {
    for await (const message of this.#endpoint.messages) {
      if (message.type !== AUDIT_EVENT_TYPE) continue
      const fault = faultOfRecord(message.payload)
      if (fault !== undefined) throw this.#invalid('send events', fault)
      yield message.payload as AuditRecord
    }
    return undefined
  }

  /** Hangs up. Reads under way reject, and the events end. */
  close(): void {
    this.#endpoint.connection.destroy()
  }

  /** Calls {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return Promise.resolve()
  }
}

/**
 * Connects to a process that exposes its counts with {@link exposeStats}.
 *
 * @param name as for `exposeStats`
 * @throws as `dial`
 */
export async function openStats(name: string, options?: DialOptions): Promise<StatsReader> {
  const checked = checkOptions('openStats', options, OPEN_TABLE)
  const connection = await dial(statsName(name), checked)
  return createStatsReader(new Endpoint(connection, `stats of ${name}`))
}

/**
 * Reads the counts of a process that exposes them with {@link exposeStats}, once.
 *
 * @param name as for `exposeStats`
 * @throws as `dial`, and {@link StatsReader.read}
 */
export async function readStats(name: string, options?: DialOptions): Promise<StatsSnapshot> {
  const reader = await openStats(name, options)
  try {
    const { timeoutMs, signal: withdraw } = options ?? {}
    return await reader.read({
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(withdraw !== undefined && { signal: withdraw }),
    })
  } finally {
    reader.close()
  }
}
