// Items that return after a delay, with one timer for all of them.

import { clearTimeout, monotonicMs, setTimeout } from '../../base/globals.js'
import { indexAbove } from '../../base/sorted.js'
import { MAX_TIMER_MS } from '../../base/timing.js'

export class DelayQueue<Item> {
  readonly #onDue: (items: Item[]) => void
  /** Ascending by `dueAt`; among equals in the order of adding. */
  #entries: { readonly item: Item; readonly dueAt: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(onDue: (items: Item[]) => void) {
    this.#onDue = onDue
  }

  get size(): number {
    return this.#entries.length
  }

  add(item: Item, delayMs: number): void {
    const dueAt = monotonicMs() + delayMs
    const at = indexAbove(this.#entries, dueAt, dueOf)
    this.#entries.splice(at, 0, { item, dueAt })
    if (at === 0) this.#arm()
  }

  /** Removes and returns all items. */
  clear(): Item[] {
    const items = this.#entries.map(({ item }) => item)
    this.#entries = []
    this.#arm()
    return items
  }

  #arm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [first] = this.#entries
    if (first === undefined) return
    const delayMs = Math.min(Math.max(0, Math.ceil(first.dueAt - monotonicMs())), MAX_TIMER_MS)
    this.#timer = setTimeout(() => {
      this.#fire()
    }, delayMs)
  }

  #fire(): void {
    const now = monotonicMs()
    let due = 0
    while ((this.#entries[due]?.dueAt ?? Infinity) <= now) ++due
    const items = this.#entries.splice(0, due).map(({ item }) => item)
    this.#arm()
    if (items.length > 0) this.#onDue(items)
  }
}

function dueOf({ dueAt }: { readonly dueAt: number }): number {
  return dueAt
}
