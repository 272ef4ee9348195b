// Progress of a long operation on a terminal: one line that is redrawn, with the rate, and the remaining time if the
// size is known.

import { clearInterval, monotonicMs, setInterval } from '../../base/globals.js'
import type { Output } from './output.js'
import { formatBytes, formatCount, formatDuration } from './units.js'

const EVERY_MS = 200

export interface ProgressState {
  readonly messages: number
  readonly bytes: number
}

/** Draws the state of an operation until it is stopped. Draws nothing if the output is not a terminal. */
export class Progress {
  readonly #output: Output
  readonly #verb: string
  readonly #totalBytes: number | undefined
  readonly #state: () => ProgressState
  readonly #startMs = monotonicMs()
  readonly #timer: NodeJS.Timeout | undefined
  #drawn = false

  /** @param totalBytes size of the whole input, if it is known */
  constructor(output: Output, verb: string, totalBytes: number | undefined, state: () => ProgressState) {
    this.#output = output
    this.#verb = verb
    this.#totalBytes = totalBytes
    this.#state = state
    if (!output.isTerminal) return
    this.#timer = setInterval(() => {
      this.#draw()
    }, EVERY_MS).unref()
  }

  /** Removes the line. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#drawn) void this.#output.write('\r\x1b[K')
    this.#drawn = false
  }

  #draw(): void {
    this.#drawn = true
    const text = progressText(this.#verb, this.#state(), monotonicMs() - this.#startMs, this.#totalBytes)
    void this.#output.write(`\r\x1b[K${text.slice(0, this.#output.columns - 1)}`)
  }
}

/** `sent 12.3k messages, 1.5 MiB (40%), 98.1k/s, 3.2 s left`. */
export function progressText(
  verb: string,
  { messages, bytes }: ProgressState,
  elapsedMs: number,
  totalBytes: number | undefined,
): string {
  const rate = elapsedMs > 0 ? (messages / elapsedMs) * 1000 : 0
  const parts = [`${verb} ${formatCount(messages)} messages`]
  const size = formatBytes(bytes)
  if (totalBytes === undefined || totalBytes === 0) {
    parts.push(size)
  } else {
    const share = Math.min(1, bytes / totalBytes)
    parts.push(`${size} (${Math.floor(share * 100)}%)`)
  }
  parts.push(`${formatCount(Math.round(rate))}/s`)
  if (totalBytes !== undefined && bytes > 0) {
    const leftMs = Math.max(0, (totalBytes / bytes - 1) * elapsedMs)
    parts.push(`${formatDuration(leftMs)} left`)
  }
  return parts.join(', ')
}
