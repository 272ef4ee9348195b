// Sends a peer the facts that it asks for, page by page: makes the next page while the peer stores the one before, and
// pauses while too many pages are unconfirmed. Must not know the store of the peer.

import { MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import { type SOCMessage } from '../../message/message.js'
import { swarmMessage, type Channel } from './channel.js'
import type { ExchangeContext, Progress } from './exchange.js'
import type { FactLevel } from '../facts/fact.js'
import type { FactPage } from '../facts/fact-store.js'
import { checkIncident, type Incident } from '../facts/incident.js'
import { SwarmMsgType } from '../protocol/messages.js'
import { type SyncRequest } from '../protocol/parse-messages.js'
import { toError } from '../../base/errors.js'
import { invalid } from '../protocol/protocol-error.js'
import { formatPosition, formatTime } from '../protocol/rfc3339.js'
import { MAX_INCIDENTS, toWireFact, toWireIncident } from '../protocol/wire-fact.js'

/** Levels sent to peers that read pages. A Go listener gets level 0 only. */
const LEVELS: readonly FactLevel[] = [0, 1]
/**
 * The size of a page in UTF-16 units: about as much as one read or write of the socket transfers. The memory for a
 * longer line is mapped anew each time, which costs half as much as parsing it.
 */
const PAGE_UNITS = 1 << 17
/** Maximum number of unconfirmed pages: twice as many as the peer stores together. */
const WINDOW = 8
/** Bytes of a line besides its payload. */
const ENVELOPE_BYTES = 128

/**
 * Serves one peer in one exchange.
 *
 *     waiting ──first sync_request──▶ serving ──last page sent──▶ all-sent ──it is confirmed──▶ done
 */
export class PageServer {
  readonly #channel: Channel
  readonly #context: ExchangeContext
  readonly #progress: Progress
  readonly #until: number
  /** The positions at which the unconfirmed pages end, oldest first. */
  readonly #unconfirmed: number[] = []
  #state: 'waiting' | 'serving' | 'all-sent' | 'done' = 'waiting'
  #position = 0
  #skipTo: number | undefined
  #wake: (() => void) | undefined

  /** @param until the last position to send: facts that enter later may have come from this very peer */
  constructor(channel: Channel, context: ExchangeContext, progress: Progress, until: number) {
    this.#channel = channel
    this.#context = context
    this.#progress = progress
    this.#until = until
  }

  /** Whether the peer has confirmed the last page. */
  get done(): boolean {
    return this.#state === 'done'
  }

  /**
   * With {@link done}: up to this position, the peer's own store contains only what this node sent, so a reader may
   * skip it.
   */
  get skipTo(): number | undefined {
    return this.#skipTo
  }

  /**
   * Takes the peer's first request, or its confirmation of a page.
   *
   * @throws {IpcError} ERR_IPC_INVALID_MESSAGE
   */
  onRequest(request: SyncRequest): void {
    if (this.#state === 'waiting') {
      this.#state = 'serving'
      // A position of another store has no meaning in this one. A position ahead of this store means that it has lost
      // facts.
      const known = request.store === undefined || request.store === this.#context.store.id
      this.#position = known && request.since <= this.#until ? request.since : 0
      this.#serve(request).catch((error: unknown) => {
        this.#channel.fail(toError(error))
      })
      return
    }
    const confirmed = this.#unconfirmed.shift()
    if (confirmed === undefined || confirmed !== request.since) {
      throw invalid('bad-request', 'a sync_request does not confirm the oldest unconfirmed page')
    }
    if (request.done !== (this.#state === 'all-sent' && this.#unconfirmed.length === 0)) {
      throw invalid('bad-request', 'done of a sync_request does not match whether the page was the last one')
    }
    if (request.done) {
      this.#state = 'done'
      this.#skipTo = request.skipTo
    }
    this.#wake?.()
  }

  async #serve(request: SyncRequest): Promise<void> {
    await this.#sendIncidents()
    for (let hasMore = true; hasMore;) {
      // One page is prepared ahead, while the peer stores the pages it has.
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
    if (last) this.#state = 'all-sent'
    await this.#channel.send(message)
  }

  /** Waits until the window has room for another unconfirmed page. */
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
      await this.#context.takeTurn()
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
      // Escapes and characters of several bytes made it too long. A single fact always fits.
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

  /** Sends the newest incidents, in pages without facts, before all facts. */
  async #sendIncidents(): Promise<void> {
    const { incidents: store } = this.#context
    if (store === undefined) return
    const all = (await store.recent(MAX_INCIDENTS)).slice(0, MAX_INCIDENTS).filter(isSound)
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
        message: `${unsent} incidents were not sent: an exchange carries the newest ${MAX_INCIDENTS} that pass checkIncident`,
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

/** Whether an incident of the store is valid. A peer refuses the whole page for a single invalid one. */
function isSound(incident: Incident): boolean {
  try {
    checkIncident(incident)
    return true
  } catch {
    return false
  }
}
