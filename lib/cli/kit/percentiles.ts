// Percentiles and a histogram of durations, as text.

import { formatDuration } from './units.js'

/** A summary of durations in milliseconds. */
export interface Summary {
  readonly count: number
  readonly min: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Summarizes durations in milliseconds, of which there must be at least one. */
export function summarize(durations: readonly number[]): Summary {
  const sorted = [...durations].sort((one, other) => one - other)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return {
    count: sorted.length,
    min: sorted[0] ?? 0,
    mean: sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: sorted.at(-1) ?? 0,
  }
}

/** Returns texts such as `min 40 µs`, `median 52 µs`.  */
export function summaryParts({ min, mean, p50, p90, p99, max }: Summary): string[] {
  return [
    `min ${formatDuration(min)}`,
    `median ${formatDuration(p50)}`,
    `mean ${formatDuration(mean)}`,
    `90% ${formatDuration(p90)}`,
    `99% ${formatDuration(p99)}`,
    `max ${formatDuration(max)}`,
  ]
}

/** Upper bounds of the bars: 1, 2, 5, 10, 20, 50 … µs. */
function boundAfter(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)))
  for (const step of [1, 2, 5, 10]) if (value < decade * step * (1 - 1e-9)) return decade * step
  return decade * 10
}

/** Returns a bar, exact to an eighth of a column. A share above 0 is at least one eighth. */
function barOf(share: number, width: number): string {
  const eighths = share === 0 ? 0 : Math.max(1, Math.round(share * width * 8))
  const rest = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? ''
  return '█'.repeat(Math.floor(eighths / 8)) + rest
}

/** Returns one line per bar, from the shortest duration to the longest. */
export function histogram(durations: readonly number[], width: number): string[] {
  const bars = new Map<number, number>()
  for (const duration of durations) {
    const bound = boundAfter(duration)
    bars.set(bound, (bars.get(bound) ?? 0) + 1)
  }
  const bounds = [...bars.keys()].sort((one, other) => one - other)
  const last = bounds.at(-1) ?? 0
  const most = Math.max(...bars.values())
  const lines: string[] = []
  for (let bound = bounds[0] ?? 0; bound <= last * (1 + 1e-9); bound = boundAfter(bound * 1.001)) {
    const [, count = 0] = [...bars].find(([other]) => Math.abs(other - bound) < bound * 1e-6) ?? []
    const bar = barOf(count / most, width)
    lines.push(`< ${formatDuration(bound).padStart(8)}  ${String(count).padStart(7)}  ${bar}`.trimEnd())
    if (lines.length > 40) break
  }
  return lines
}
