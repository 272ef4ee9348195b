// Asks a peer for its facts and stores them in pages: each page whole or not at all, and confirmed when it is stored. What
// comes in while the store is busy is stored together.

import { swarmMessage, type Channel } from './channel.js'
import { storeFacts, storeIncidents, type ExchangeContext, type Progress } from './exchange.js'
import type { Fact } from '../facts/fact.js'
import { unitsOf } from '../facts/fact-store.js'
import { parseSyncPage, SwarmMsgType, type Handshake, type SyncPage } from '../protocol/messages.js'
import type { ReadPosition } from '../peers/peer-record.js'
import { invalid } from '../protocol/protocol-error.js'
import { formatPosition } from '../protocol/rfc3339.js'
import { MAX_INCIDENTS } from '../protocol/wire-fact.js'

/** Units of the pages that wait to be stored together; a larger page waits alone. For a store on disk, each time is a commit. */
const MAX_WAITING_UNITS = 1 << 19

/** Reads one peer in one exchange. */
export class PageReader {
  readonly #channel: Channel
  readonly #context: ExchangeContext
  readonly #progress: Progress
  readonly #peer: Handshake
  /** Our own store's position up to which nothing but this peer's facts has come in since the exchange began. */
  #echo: number
  #position: number
  #store: string | undefined
  #pages = 0
  #incidents = 0
  #done = false
  /** The page that came last, stored or not. */
  #last: SyncPage | undefined
  #waiting: SyncPage[] = []
  #waitingUnits = 0
  /** What is being stored now, and everything that came. */
  #storingNow: Promise<void> = Promise.resolve()
  #storing: Promise<void> | undefined

  /** @param until our own store's last position when the exchange began */
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
    // What we have read for another store of ours, this one does not have.
    const goesOn = read?.ownStore === context.store.id
    this.#position = goesOn ? read.position : 0
    this.#store = goesOn ? read.store : undefined
  }

  /** Everything that the peer had is stored and confirmed. */
  get done(): boolean {
    return this.#done
  }

  /** How far the peer's store was read; undefined when not one page of it was stored. */
  get read(): ReadPosition | undefined {
    if (this.#pages === 0 || this.#store === undefined) return undefined
    return { ownStore: this.#context.store.id, store: this.#store, position: this.#position }
  }

  /** Asks for the first page. */
  begin(): void {
    this.#post({ ...(this.#store !== undefined && { store: this.#store }) })
  }

  /**
   * Checks a page and has it stored, while the next ones may come in already. Resolves when it is being stored or waits for
   * that with others.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE: then nothing of it is stored
   */
  async onPage(payload: unknown): Promise<void> {
    const page = parseSyncPage(payload, this.#peer, this.#context.maxBatch)
    this.#check(page)
    const units = page.facts.reduce((sum, fact) => sum + unitsOf(fact), 0)
    while (this.#waiting.length > 0 && this.#waitingUnits + units > MAX_WAITING_UNITS) await this.#storingNow
    this.#last = page
    this.#waiting.push(page)
    this.#waitingUnits += units
    if (this.#storing !== undefined) return
    this.#storing = this.#storeWaiting()
    this.#storing.catch((error: unknown) => {
      this.#channel.fail(error as Error)
    })
  }

  /** The last page has come, and may still be being stored. */
  get lastCame(): boolean {
    return this.#last?.hasMore === false
  }

  /** Resolves when what came is stored. @throws what kept it from being stored */
  async stored(): Promise<void> {
    await this.#storing
  }

  /** Resolves when nothing is being stored any more, however that went. */
  async settled(): Promise<void> {
    await this.#storing?.catch(() => undefined)
  }

  #check(page: SyncPage): void {
    const last = this.#last
    if (last?.hasMore === false) throw invalid('unexpected-message', 'a page came after the last one')
    if (last !== undefined && page.store !== last.store)
      throw invalid('bad-page', 'a page is from another store')
    // The first page may begin anew: the peer may have another store, or have lost some of it.
    const before = last?.next ?? 0
    if (page.next < before || (page.facts.length > 0 && page.next === before)) {
      throw invalid('bad-page', 'the pages do not go forward')
    }
    if (page.hasMore && page.facts.length + page.incidents.length === 0) {
      throw invalid('bad-page', 'a page says that there is more, and holds nothing')
    }
    this.#incidents += page.incidents.length
    if (this.#incidents > MAX_INCIDENTS) throw invalid('bad-page', 'there are too many incidents')
  }

  /** Stores what waits until nothing does. After an error it stays as it is, and nothing more is stored. */
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
      // Nothing of them is stored. The pages before the one that is wrong are to be.
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
    // Whoever is told that we have it all may never send it again.
    await this.#context.store.flush()
    this.#done = true
    this.#post({ done: true, skip_to: formatPosition(this.#echo) })
  }

  /** The peer's own word that what follows in its store, up to there, is what we gave it. */
  skipTo(position: number | undefined): void {
    if (position !== undefined && this.#done && position > this.#position) this.#position = position
  }

  #post(more: object): void {
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
