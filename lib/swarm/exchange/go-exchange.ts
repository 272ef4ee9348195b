// The exchange as the Go package knows it: one line of facts from dialer to listener. Toward a Go listener the line is
// short, so what fits goes now, newest first, and the rest at the next dials; what is left is counted and alerted on.

import { processStart } from '../../base/process-identity.js'
import { swarmMessage, type Channel } from './channel.js'
import { rememberPeer, storeFacts, storeIncidents, type ExchangeContext, type Progress } from './exchange.js'
import type { Fact, FactLevel } from '../facts/fact.js'
import type { FactStore } from '../facts/fact-store.js'
import { parseGoPayload, SwarmMsgType, type Handshake } from '../protocol/messages.js'
import type { GivenFacts } from '../peers/peer-record.js'
import { formatTime } from '../protocol/rfc3339.js'
import { toWireFact, toWireIncident } from '../protocol/wire-fact.js'

/** Go's listener reads with a scanner of 65,536 bytes, and its newline and envelope count. */
const GO_PAYLOAD_BYTES = 65_000
/** A Go dialer exports this level, so that is what a Go listener expects. */
const GO_LEVELS: readonly FactLevel[] = [0]
const GO_MAX_INCIDENTS = 100
const STEP = 256
/** Ranges that are remembered; of more, the oldest are given again, and skipped there. */
const MAX_RANGES = 64

/** Takes the one payload of a Go dialer. */
export async function importFromGo(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
): Promise<void> {
  const { facts, incidents } = parseGoPayload(await channel.expect(SwarmMsgType.SyncPayload), peer)
  await storeFacts(facts, context, progress, channel.peer)
  await storeIncidents(incidents, context, progress)
  await context.store.flush()
  rememberPeer(context, peer, { received: progress.received, sent: 0, genes: progress.genes })
}

/** Gives a Go listener what fits its line. It confirms by hanging up. */
export async function exportToGo(
  channel: Channel,
  context: ExchangeContext,
  progress: Progress,
  peer: Handshake,
): Promise<void> {
  const { registry, store, genomeHash } = context
  const envelope = {
    from_peer_id: registry.selfId,
    genome_hash: genomeHash,
    synced_at: formatTime(Date.now()),
  }
  const budget =
    GO_PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify({ ...envelope, facts: [], incidents: [] }))
  const listener = { pid: channel.peer.pid, started: processStart(channel.peer.pid) }
  const selection = await selectFacts(store, registry.get(peer.peerId)?.given, listener, budget)
  const incidents = await incidentsForGo(context, channel, budget - selection.bytes)
  progress.unsent = selection.unsent + selection.given.tooLarge
  await channel.send(
    swarmMessage(SwarmMsgType.SyncPayload, {
      ...envelope,
      facts: selection.facts.map(toWireFact),
      ...(incidents.length > 0 && { incidents }),
    }),
  )
  await channel.expectEnd()

  progress.sent = selection.facts.length
  progress.incidentsSent = incidents.length
  rememberPeer(context, peer, { received: 0, sent: progress.sent, given: selection.given })
  if (progress.unsent > 0) {
    const { tooLarge } = selection.given
    context.alert({
      severity: 'warning',
      type: 'facts-unsent',
      message:
        `${progress.unsent} facts have not been sent to the Go listener: ${selection.unsent} wait for the next dials, ` +
        `${tooLarge} are larger than the longest line that it reads`,
      peer: channel.peer,
      peerId: peer.peerId,
      counts: { unsent: progress.unsent, tooLarge },
    })
  }
}

/** The newest incidents, as far as the facts leave room for them. */
async function incidentsForGo(
  context: ExchangeContext,
  channel: Channel,
  maxBytes: number,
): Promise<object[]> {
  const store = context.incidents
  if (store === undefined) return []
  const chosen: object[] = []
  let bytes = 0
  for (const incident of await store.recent(GO_MAX_INCIDENTS)) {
    const wire = toWireIncident(incident)
    bytes += Buffer.byteLength(JSON.stringify(wire)) + 1
    if (bytes > maxBytes) break
    chosen.push(wire)
  }
  const unsent = (await store.count()) - chosen.length
  if (unsent > 0) {
    context.alert({
      severity: 'warning',
      type: 'incidents-unsent',
      message: `${unsent} incidents were not sent: a line to a Go listener has no room for them`,
      peer: channel.peer,
      counts: { unsent },
    })
  }
  return chosen
}

/** Which process listens; it keeps what it was given for as long as it lives, as far as we know. */
export interface GoListener {
  readonly pid: number
  readonly started: string | undefined
}

/** What a line to a Go listener is to hold. */
export interface GoSelection {
  readonly facts: readonly Fact[]
  /** What they come to. */
  readonly bytes: number
  /** What it will have been given then. */
  readonly given: GivenFacts
  /** Facts that wait for the next line. */
  readonly unsent: number
}

/** Chooses facts that were not given yet, newest first, as far as they fit. */
export async function selectFacts(
  store: FactStore,
  before: GivenFacts | undefined,
  listener: GoListener,
  maxBytes: number,
): Promise<GoSelection> {
  // Another process may have begun with an empty store, and ours may be another: then nothing was given.
  const goesOn =
    before?.pid === listener.pid && before.started === listener.started && before.ownStore === store.id
  const ranges = goesOn ? before.ranges : []
  const top = await store.lastPosition()
  const walk = new Walk(store, maxBytes)
  let lowest = top + 1
  for (const gap of gapsOf(ranges, top)) {
    const reached = await walk.through(gap)
    lowest = Math.min(lowest, reached)
    if (walk.full) break
  }
  const given: GivenFacts = {
    ownStore: store.id,
    pid: listener.pid,
    ...(listener.started !== undefined && { started: listener.started }),
    ranges: mergeRanges(ranges, lowest, top),
    tooLarge: (goesOn ? before.tooLarge : 0) + walk.tooLarge,
  }
  let unsent = 0
  for (const gap of gapsOf(given.ranges, top)) unsent += await store.count({ levels: GO_LEVELS, ...gap })
  return { facts: walk.facts, bytes: walk.bytes, given, unsent }
}

interface Gap {
  readonly after: number
  readonly until: number
}

/** What lies between the ranges, newest first. */
function gapsOf(ranges: GivenFacts['ranges'], top: number): Gap[] {
  const gaps: Gap[] = []
  let until = top
  for (const [from, to] of ranges) {
    if (to < until) gaps.push({ after: to, until })
    until = from - 1
  }
  if (until > 0) gaps.push({ after: 0, until })
  return gaps
}

/** The ranges when everything from `lowest` to `top` has been given too. */
function mergeRanges(ranges: GivenFacts['ranges'], lowest: number, top: number): GivenFacts['ranges'] {
  if (lowest > top) return ranges
  let from = lowest
  const below: (readonly [number, number])[] = []
  for (const range of ranges) {
    if (range[1] < from - 1) below.push(range)
    else from = Math.min(from, range[0])
  }
  return [[from, top] as const, ...below].slice(0, MAX_RANGES)
}

/** Walks from new to old and takes what fits. */
class Walk {
  readonly facts: Fact[] = []
  bytes = 0
  full = false
  tooLarge = 0
  readonly #store: FactStore
  readonly #maxBytes: number

  constructor(store: FactStore, maxBytes: number) {
    this.#store = store
    this.#maxBytes = maxBytes
  }

  /** Answers the position down to which nothing is left out. */
  async through({ after, until }: Gap): Promise<number> {
    for (let end = until; ;) {
      const page = await this.#store.page({
        levels: GO_LEVELS,
        after,
        until: end,
        order: 'newest',
        maxFacts: STEP,
        maxUnits: this.#maxBytes,
      })
      for (const [i, fact] of page.facts.entries()) {
        if (!this.#take(fact)) return end + 1
        end = (page.positions[i] as number) - 1
      }
      if (!page.hasMore) return after + 1
    }
  }

  #take(fact: Fact): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(toWireFact(fact))) + 1
    if (bytes > this.#maxBytes) {
      ++this.tooLarge
      return true
    }
    if (this.bytes + bytes > this.#maxBytes) {
      this.full = true
      return false
    }
    this.bytes += bytes
    this.facts.push(fact)
    return true
  }
}
