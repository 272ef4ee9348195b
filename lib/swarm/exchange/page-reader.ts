// Asks a peer for its facts and stores them in pages: each page whole or not at all, and confirmed when stored. Pages
// that arrive while the store is busy are stored together. Must not know how the peer makes pages.

import { swarmMessage, type Channel } from './channel.js'
import { storeFacts, storeIncidents, type ExchangeContext, type Progress } from './exchange.js'
import type { Fact } from '../facts/fact.js'
import { unitsOf } from '../facts/fact-store.js'
import { SwarmMsgType, type SwarmPayloads } from '../protocol/messages.js'
import { parseSyncPage, type Handshake, type SyncPage } from '../protocol/parse-messages.js'
import type { PayloadParts } from '../protocol/payload-parts.js'
import type { ReadPosition } from '../peers/peer-record.js'
import { toError } from '../../base/errors.js'
import { invalid } from '../protocol/protocol-error.js'
import { formatPosition } from '../protocol/rfc3339.js'
import { MAX_INCIDENTS } from '../protocol/wire-fact.js'

/**
 * UTF-16 units of the pages that wait to be stored together; a larger page waits alone. On disk, storing together saves
 * commits.
 */
const MAX_WAITING_UNITS = 1 << 19

/**
 * Reads one peer in one exchange.
 *
 *     reading ──last page arrives──▶ storing-last ──stored, flushed and confirmed──▶ done
 */
export class PageReader {
  readonly #channel: Channel
  readonly #context: ExchangeContext
  readonly #progress: Progress
  readonly #peer: Handshake
  /** The position of our own store up to which only this peer's facts have entered since the exchange began. */
  #echo: number
  #position: number
  #store: string | undefined
  #pages = 0
  #incidents = 0
  #state: 'reading' | 'storing-last' | 'done' = 'reading'
  /** The page that arrived last, stored or not. */
  #last: Pick<SyncPage, 'store' | 'next'> | undefined
  #waiting: SyncPage[] = []
  #waitingUnits = 0
  /**
   * `#storingNow`: the pages being stored now. `#storing`: all pages that have arrived; undefined when nothing waits.
   */
  #storingNow: Promise<void> = Promise.resolve()
  #storing: Promise<void> | undefined

  /** @param until the last position of our own store when the exchange began */
  constructor(
    channel: Channel,
    context: ExchangeContext,
    progress: Progress,
    peer: Handshake,
    until: number,
  ) {
    this.#channel = channel
    this.#context = context
    this.#progress = progress
    this.#peer = peer
    this.#echo = until
    const read = context.registry.get(peer.peerId)?.read
    // Facts that were read into an earlier store of this node are not in this one.
    const goesOn = read?.ownStore === context.store.id
    this.#position = goesOn ? read.position : 0
    this.#store = goesOn ? read.store : undefined
  }

  /** Whether all of the peer's facts are stored and confirmed. */
  get done(): boolean {
    return this.#state === 'done'
  }

  /** How far the peer's store was read; undefined if no page of it was stored. */
  get read(): ReadPosition | undefined {
    if (this.#pages === 0 || this.#store === undefined) return undefined
    return { ownStore: this.#context.store.id, store: this.#store, position: this.#position }
  }

  /** Asks for the first page. */
  begin(): void {
    this.#post({ ...(this.#store !== undefined && { store: this.#store }) })
  }

  /**
   * Checks a page and queues it to be stored, so that the next ones may arrive meanwhile. Resolves when it is queued.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE, and stores nothing of it
   */
  async onPage(payload: PayloadParts): Promise<void> {
    const page = await parseSyncPage(payload, this.#peer, this.#context.maxBatch, this.#context.takeTurn)
    this.#check(page)
    const units = page.facts.reduce((sum, fact) => sum + unitsOf(fact), 0)
    while (this.#waiting.length > 0 && this.#waitingUnits + units > MAX_WAITING_UNITS) await this.#storingNow
    this.#last = { store: page.store, next: page.next }
    if (!page.hasMore) this.#state = 'storing-last'
    this.#waiting.push(page)
    this.#waitingUnits += units
    if (this.#storing !== undefined) return
    this.#storing = this.#storeWaiting()
    this.#storing.catch((error: unknown) => {
      this.#channel.fail(toError(error))
    })
  }

  /** Whether the last page has arrived, stored or not. */
  get lastCame(): boolean {
    return this.#state !== 'reading'
  }

  /** Resolves when everything that arrived is stored. @throws the error that the store rejected with */
  async stored(): Promise<void> {
    await this.#storing
  }

  /** Resolves when nothing is being stored any more, whether that succeeded or not. */
  async settled(): Promise<void> {
    await this.#storing?.catch(() => undefined)
  }

  #check(page: SyncPage): void {
    const last = this.#last
    if (this.lastCame) throw invalid('unexpected-message', 'the peer sent a page after its last one')
    if (last !== undefined && page.store !== last.store)
      throw invalid('bad-page', 'the peer sent pages of two stores')
    // The first page may start from 0: the peer may have another store, or have lost facts.
    const before = last?.next ?? 0
    if (page.next < before || (page.facts.length > 0 && page.next === before)) {
      throw invalid('bad-page', 'the positions of the pages do not rise')
    }
    if (page.hasMore && page.facts.length + page.incidents.length === 0) {
      throw invalid('bad-page', 'a page is empty but not the last one')
    }
    this.#incidents += page.incidents.length
    if (this.#incidents > MAX_INCIDENTS) {
      throw invalid('bad-page', `the peer sent more than ${MAX_INCIDENTS} incidents`)
    }
  }

  /** Stores waiting pages until there are none. After an error nothing more is stored. */
  async #storeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const pages = this.#waiting
      this.#waiting = []
      this.#waitingUnits = 0
      this.#storingNow = this.#storeTogether(pages)
      await this.#storingNow
    }
    this.#storing = undefined
  }

  async #storeTogether(pages: readonly SyncPage[]): Promise<void> {
    const facts = pages.length === 1 ? (pages[0] as SyncPage).facts : pages.flatMap((page) => page.facts)
    try {
      await this.#storeFacts(facts)
    } catch (error) {
      if (pages.length === 1) throw error
      // None of them is stored now. Store those before the faulty page one by one.
      for (const page of pages) {
        await this.#storeFacts(page.facts)
        await this.#confirm(page)
      }
      return
    }
    for (const page of pages) await this.#confirm(page)
  }

  async #storeFacts(facts: readonly Fact[]): Promise<void> {
    if (facts.length === 0) return
    const result = await storeFacts(facts, this.#context, this.#progress, this.#channel.peer)
    if (result.before === this.#echo) this.#echo = result.after
  }

  async #confirm(page: SyncPage): Promise<void> {
    await storeIncidents(page.incidents, this.#context, this.#progress)
    ++this.#pages
    this.#store = page.store
    this.#position = page.next
    if (page.hasMore) {
      this.#post({})
      return
    }
    // Flush first: a peer that learns that we have everything may never send it again.
    await this.#context.store.flush()
    this.#state = 'done'
    this.#post({ done: true, skip_to: formatPosition(this.#echo) })
  }

  /** Skips the peer's facts up to `position`: the peer states that all of them came from this node. */
  skipTo(position: number | undefined): void {
    if (position !== undefined && this.done && position > this.#position) this.#position = position
  }

  #post(more: Partial<SwarmPayloads['sync_request']>): void {
    const { registry, genomeHash, maxBatch } = this.#context
    this.#channel.post(
      swarmMessage(SwarmMsgType.SyncRequest, {
        from_peer_id: registry.selfId,
        genome_hash: genomeHash,
        since: formatPosition(this.#position),
        max_batch: maxBatch,
        ...more,
      }),
    )
  }
}
