// Progress of a long operation on a terminal: one line that is redrawn, and removed at the end.

import { clearInterval, monotonicMs, setInterval } from '../../base/globals.js'
import type { Output } from './output.js'
import { cut } from './text.js'
import { formatBytes, formatCount, formatDuration, plural } from './units.js'

const EVERY_MS = 200

/** Draws a line of text until it is stopped. Draws nothing if the output is not a terminal. */
export class Progress {
  readonly #output: Output
  readonly #startMs = monotonicMs()
  readonly #timer: NodeJS.Timeout | undefined
  #drawn = false

  /** @param text returns the line, given the milliseconds since the start */
  constructor(output: Output, text: (elapsedMs: number) => string) {
    this.#output = output
    if (!output.isTerminal) return
    this.#timer = setInterval(() => {
      this.#drawn = true
      const line = cut(text(monotonicMs() - this.#startMs), output.columns - 1)
      void output.write(`\r\x1b[K${output.style(line, 'dim')}`)
    }, EVERY_MS).unref()
  }

  /** Removes the line until the next drawing, to make room for another one. */
  clear(): void {
    if (this.#drawn) void this.#output.write('\r\x1b[K')
    this.#drawn = false
  }

  /** Removes the line. */
  stop(): void {
    clearInterval(this.#timer)
    this.clear()
  }
}

/** The state of a transfer. */
export interface TransferState {
  readonly messages: number
  readonly bytes: number
  /** Describes the event that a stalled transfer waits for. */
  readonly waitsFor: string
}

/** The rate covers the last seconds only, so that it follows a receiver that slows down. */
const RATE_WINDOW_MS = 3000
/** A transfer without progress for this long is shown as waiting. */
const STALLED_MS = 2000

interface Sample {
  readonly atMs: number
  readonly messages: number
  readonly bytes: number
}

/** Formats the progress of a transfer. Call it regularly: rates are computed from its earlier calls. */
export class TransferText {
  readonly #totalBytes: number | undefined
  #samples: Sample[] = [{ atMs: 0, messages: 0, bytes: 0 }]
  #movedMs = 0

  /** @param totalBytes size of the whole input, if known */
  constructor(totalBytes: number | undefined) {
    this.#totalBytes = totalBytes === 0 ? undefined : totalBytes
  }

  /**
   * Returns a line such as `sent 12.3k messages, 1.5 MiB of 3.8 MiB (40%), 98.1k/s, 3 s left`, or the event that the
   * transfer waits for.
   */
  at(elapsedMs: number, { messages, bytes, waitsFor }: TransferState): string {
    if (bytes !== this.#samples.at(-1)?.bytes) this.#movedMs = elapsedMs
    this.#samples.push({ atMs: elapsedMs, messages, bytes })
    while ((this.#samples[1]?.atMs ?? Infinity) <= elapsedMs - RATE_WINDOW_MS) this.#samples.shift()
    const total = this.#totalBytes
    const shown = messages < 1000 ? plural(messages, 'message') : `${formatCount(messages)} messages`
    const parts = [`sent ${shown}`]
    if (total === undefined) parts.push(formatBytes(bytes))
    else {
      const percent = Math.floor(Math.min(1, bytes / total) * 100)
      parts.push(`${formatBytes(bytes)} of ${formatBytes(total)} (${percent}%)`)
    }
    const stillMs = elapsedMs - this.#movedMs
    if (stillMs >= STALLED_MS) {
      parts.push(`waiting for ${waitsFor} since ${Math.floor(stillMs / 1000)} s`)
      return parts.join(', ')
    }
    const [first = { atMs: 0, messages: 0, bytes: 0 }] = this.#samples
    const spanMs = Math.max(1, elapsedMs - first.atMs)
    parts.push(`${formatCount(Math.round(((messages - first.messages) / spanMs) * 1000))}/s`)
    const bytesPerMs = (bytes - first.bytes) / spanMs
    if (total !== undefined && bytesPerMs > 0) parts.push(timeLeft(Math.max(0, total - bytes) / bytesPerMs))
    return parts.join(', ')
  }
}

/** Formats an estimate, so in whole seconds. */
export function timeLeft(ms: number): string {
  if (ms < 1000) return 'under 1 s left'
  return `${ms < 60_000 ? `${Math.round(ms / 1000)} s` : formatDuration(ms)} left`
}
