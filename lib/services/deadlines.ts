// Deadlines of many waits on one timer: a binary heap of entries, and one timer for the earliest.

import { clearTimeout, monotonicMs, setTimeout } from '../base/globals.js'
import { afterRound } from '../wire/turn.js'
import { MAX_TIMER_MS } from '../base/timing.js'

/** An entry of {@link Deadlines}. */
export interface Timed {
  /** When the entry expires, on the clock of `monotonicMs`. Infinity: never. */
  readonly deadlineMs: number
  /** Its place in the heap; -1 while it has none. For {@link Deadlines} alone. */
  heapAt: number
}

/** Adding and removing takes O(log n); the usual case, where deadlines come in their order, O(1). */
export class Deadlines<Entry extends Timed> {
  readonly #onLate: (entry: Entry) => void
  readonly #heap: Entry[] = []
  #timer: NodeJS.Timeout | undefined
  #dueMs = Infinity

  /** @param onLate called with each expired entry, which has been removed */
  constructor(onLate: (entry: Entry) => void) {
    this.#onLate = onLate
  }

  add(entry: Entry): void {
    if (entry.deadlineMs === Infinity) return
    this.#heap.push(entry)
    this.#rise(this.#heap.length - 1, entry)
    if (entry.deadlineMs < this.#dueMs) this.#arm(entry.deadlineMs)
  }

  /** The timer stays armed: arming it anew for each entry would cost more than a needless call. */
  remove(entry: Entry): void {
    const at = entry.heapAt
    if (at < 0) return
    entry.heapAt = -1
    const last = this.#heap.pop() as Entry
    if (last === entry) return
    const parent = this.#heap[(at - 1) >> 1]
    if (at > 0 && parent !== undefined && parent.deadlineMs > last.deadlineMs) this.#rise(at, last)
    else this.#sink(at, last)
  }

  /** Removes all entries and stops the timer. */
  clear(): void {
    for (const entry of this.#heap) entry.heapAt = -1
    this.#heap.length = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#dueMs = Infinity
  }

  #arm(dueMs: number): void {
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    const waitMs = Math.min(Math.max(1, Math.ceil(dueMs - monotonicMs())), MAX_TIMER_MS)
    // Expires only after the event loop has read pending input: while this process was busy, the peer may have replied.
    this.#timer = setTimeout(() => {
      afterRound(() => {
        this.#expire()
      })
    }, waitMs)
    // Only the connection keeps the process alive, never a deadline.
    this.#timer.unref()
  }

  #expire(): void {
    if (this.#dueMs === Infinity) return // cleared meanwhile
    this.#dueMs = Infinity
    const now = monotonicMs()
    const late: Entry[] = []
    for (let first = this.#heap[0]; first !== undefined && first.deadlineMs <= now; first = this.#heap[0]) {
      this.remove(first)
      late.push(first)
    }
    const [next] = this.#heap
    if (next !== undefined) this.#arm(next.deadlineMs)
    for (const entry of late) this.#onLate(entry)
  }

  #rise(from: number, entry: Entry): void {
    const heap = this.#heap
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above] as Entry
      if (parent.deadlineMs <= entry.deadlineMs) break
      heap[at] = parent
      parent.heapAt = at
      at = above
    }
    heap[at] = entry
    entry.heapAt = at
  }

  #sink(from: number, entry: Entry): void {
    const heap = this.#heap
    let at = from
    for (;;) {
      let below = at * 2 + 1
      if (below >= heap.length) break
      if (
        below + 1 < heap.length &&
        (heap[below + 1] as Entry).deadlineMs < (heap[below] as Entry).deadlineMs
      ) {
        ++below
      }
      const child = heap[below] as Entry
      if (child.deadlineMs >= entry.deadlineMs) break
      heap[at] = child
      child.heapAt = at
      at = below
    }
    heap[at] = entry
    entry.heapAt = at
  }
}
