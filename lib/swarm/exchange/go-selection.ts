// Selects the facts for the next line to a Go listener: facts that it was not given yet, newest first, as many as fit.
// Tracks the facts already given as ranges of positions. Must not know connections.

import type { Fact, FactLevel } from '../facts/fact.js'
import type { FactStore } from '../facts/fact-store.js'
import type { GivenFacts } from '../peers/peer-record.js'
import { toWireFact } from '../protocol/wire-fact.js'

/** A Go dialer exports this level only, so a Go listener expects no other. */
const GO_LEVELS: readonly FactLevel[] = [0]
/** Facts read from the store at a time. */
const STEP = 256
/** Ranges remembered. Beyond that the oldest are forgotten, and their facts given again; the listener skips those. */
const MAX_RANGES = 64

/** The listening process. It is assumed to keep its facts for as long as it lives. */
export interface GoListener {
  readonly pid: number
  /** Its start, as `processStart` returns it, to distinguish it from a later process with the same id. */
  readonly started: string | undefined
}

/** The content of the next line to a Go listener. */
export interface GoSelection {
  readonly facts: readonly Fact[]
  /** The size of the facts on the wire. */
  readonly bytes: number
  /** The record of what the listener was given, as of the time when it has this line. */
  readonly given: GivenFacts
  /** Facts that wait for the next line. */
  readonly unsent: number
}

/** Returns the facts that were not given yet, newest first, as many as fit. */
export async function selectFacts(
  store: FactStore,
  before: GivenFacts | undefined,
  listener: GoListener,
  maxBytes: number,
): Promise<GoSelection> {
  // Another process may have begun with an empty store, and this node may have another store: then nothing was given.
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

/** Positions that were not given: above `after`, up to `until`. */
interface Gap {
  readonly after: number
  readonly until: number
}

/** Returns the gaps between the ranges, newest first. */
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

/** Returns the ranges with everything from `lowest` to `top` added. */
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

/** Walks from new to old and takes the facts that fit. */
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

  /** Returns the lowest position down to which every fact was taken, or is too large for any line. */
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
