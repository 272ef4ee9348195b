// Ids of messages: decimal Unix nanoseconds.

let lastMs = 0
let lastMsText = ''
let nanoseconds = 0

/** Decimal Unix nanoseconds, rising with each call. `now` is Date.now(). */
export function nextId(now: number): string {
  if (now > lastMs || nanoseconds === 999_999) {
    lastMs = Math.max(now, lastMs + 1)
    lastMsText = String(lastMs)
    // What the monotonic clock has below the millisecond tells threads and processes apart. Six digits always: a
    // padded number would cost more than all the rest.
    nanoseconds = 100_000 + Math.floor((performance.now() % 1) * 800_000)
  } else {
    ++nanoseconds
  }
  return lastMsText + String(nanoseconds)
}
