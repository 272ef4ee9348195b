// Gives a peer the facts that it asks for, page by page: builds the next one while the peer stores the one before, and
// stops at a small number of pages that the peer has not confirmed.

import { MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import { type SOCMessage } from '../../message/message.js'
import { swarmMessage, type Channel } from './channel.js'
import type { ExchangeContext, Progress } from './exchange.js'
import type { FactLevel } from '../facts/fact.js'
import type { FactPage } from '../facts/fact-store.js'
import { checkIncident, type Incident } from '../facts/incident.js'
import { SwarmMsgType, type SyncRequest } from '../protocol/messages.js'
import { invalid } from '../protocol/protocol-error.js'
import { formatPosition, formatTime } from '../protocol/rfc3339.js'
import { MAX_INCIDENTS, toWireFact, toWireIncident } from '../protocol/wire-fact.js'

/** Levels that go to peers that read pages. A Go listener gets level 0 only. */
const LEVELS: readonly FactLevel[] = [0, 1]
/**
 * About the units of a page: what one read and one write of the socket take. The memory of a longer line comes from the
 * kernel anew each time, which costs as much as parsing half of it.
 */
const PAGE_UNITS = 1 << 17
/** Pages that may be on their way: those that the peer stores together, and as many that it stores next. */
const WINDOW = 8
/** Bytes of a message that are not its payload. */
const ENVELOPE_BYTES = 128

/** Serves one peer in one exchange. */
export class PageServer {
  readonly #channel: Channel
  readonly #context: ExchangeContext
  readonly #progress: Progress
  readonly #until: number
  /** Where the pages end that the peer has not confirmed, oldest first. */
  readonly #unconfirmed: number[] = []
  #request: SyncRequest | undefined
  #position = 0
  #allSent = false
  #done: SyncRequest | undefined
  #wake: (() => void) | undefined

  /** @param until the last position to give: what enters later may have come from this very peer */
  constructor(channel: Channel, context: ExchangeContext, progress: Progress, until: number) {
    this.#channel = channel
    this.#context = context
    this.#progress = progress
    this.#until = until
  }

  /** The peer has said that it has it all. */
  get done(): boolean {
    return this.#done !== undefined
  }

  /** Position of the peer's own store that we may go on from, as it says. */
  get skipTo(): number | undefined {
    return this.#done?.skipTo
  }

  /**
   * Takes the peer's first request, or its confirmation of a page.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
   */
  onRequest(request: SyncRequest): void {
    if (this.#request === undefined) {
      this.#request = request
      // Positions of another store say nothing about this one, and one that is ahead of it speaks of what was lost.
      const known = request.store === undefined || request.store === this.#context.store.id
      this.#position = known && request.since <= this.#until ? request.since : 0
      this.#serve(request).catch((error: unknown) => {
        this.#channel.fail(error as Error)
      })
      return
    }
    const confirmed = this.#unconfirmed.shift()
    if (this.#done !== undefined || confirmed === undefined || confirmed !== request.since) {
      throw invalid('bad-request', 'a sync_request confirms no page that was sent')
    }
    if (request.done !== (this.#allSent && this.#unconfirmed.length === 0)) {
      throw invalid('bad-request', 'a sync_request is wrong about this being the last page')
    }
    if (request.done) this.#done = request
    this.#wake?.()
  }

  async #serve(request: SyncRequest): Promise<void> {
    await this.#sendIncidents()
    for (let hasMore = true; hasMore;) {
      // Made while the peer still stores what it has: the one page that waits here.
      const page = await this.#nextPage(request.maxBatch)
      await this.#credit()
      hasMore = page.hasMore
      this.#position = page.next
      this.#progress.sent += page.facts
      await this.#send(page.message, !hasMore)
    }
  }

  async #send(message: SOCMessage, last: boolean): Promise<void> {
    this.#unconfirmed.push(this.#position)
    this.#allSent = last
    await this.#channel.send(message)
  }

  /** Waits until another page may be on its way. */
  async #credit(): Promise<void> {
    while (this.#unconfirmed.length >= WINDOW) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async #nextPage(
    maxBatch: number,
  ): Promise<{ message: SOCMessage; facts: number; hasMore: boolean; next: number }> {
    for (let maxFacts = maxBatch; ;) {
      const page = await this.#context.store.page({
        levels: LEVELS,
        after: this.#position,
        until: this.#until,
        maxFacts,
        maxUnits: PAGE_UNITS,
      })
      const next = page.hasMore ? (page.positions.at(-1) ?? this.#position) : this.#until
      const message = this.#pageMessage(page, next, [])
      if (fits(message)) return { message, facts: page.facts.length, hasMore: page.hasMore, next }
      // Escapes and characters of several bytes have made it too long. One fact always fits.
      maxFacts = Math.max(1, Math.floor(page.facts.length / 2))
    }
  }

  #pageMessage(
    page: Pick<FactPage, 'facts' | 'hasMore'>,
    next: number,
    incidents: readonly Incident[],
  ): SOCMessage {
    const { registry, genomeHash, store } = this.#context
    return swarmMessage(SwarmMsgType.SyncPayload, {
      from_peer_id: registry.selfId,
      genome_hash: genomeHash,
      facts: page.facts.map(toWireFact),
      ...(incidents.length > 0 && { incidents: incidents.map(toWireIncident) }),
      synced_at: formatTime(Date.now()),
      has_more: page.hasMore,
      store: store.id,
      next: formatPosition(next),
    })
  }

  /** The newest incidents go first, in pages without facts. */
  async #sendIncidents(): Promise<void> {
    const { incidents: store } = this.#context
    if (store === undefined) return
    const all = (await store.recent(MAX_INCIDENTS)).filter(isSound)
    const unsent = (await store.count()) - all.length
    for (let at = 0, size = all.length; at < all.length;) {
      const part = all.slice(at, at + size)
      const message = this.#pageMessage({ facts: [], hasMore: true }, this.#position, part)
      if (!fits(message) && part.length > 1) {
        size = Math.ceil(part.length / 2)
        continue
      }
      await this.#credit()
      await this.#send(message, false)
      this.#progress.incidentsSent += part.length
      at += part.length
    }
    if (unsent > 0) {
      this.#context.alert({
        severity: 'warning',
        type: 'incidents-unsent',
        message: `${unsent} incidents were not sent: an exchange carries the newest ${MAX_INCIDENTS} that are sound`,
        peer: this.#channel.peer,
        counts: { unsent },
      })
    }
  }
}

function fits(message: SOCMessage): boolean {
  const text = message.rawPayload ?? ''
  if (text.length * 3 < MAX_MESSAGE_BYTES - ENVELOPE_BYTES) return true
  return Buffer.byteLength(text) <= MAX_MESSAGE_BYTES - ENVELOPE_BYTES
}

/** A peer would refuse the whole page because of one that is not. */
function isSound(incident: Incident): boolean {
  try {
    checkIncident(incident)
    return true
  } catch {
    return false
  }
}
