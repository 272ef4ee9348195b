// From values to positions: linear and logarithmic axes, their ticks, and how numbers are written beside them.

export interface Scale {
  readonly position: (value: number) => number
  readonly ticks: readonly number[]
}

/** An axis over the values, with room to both sides, from the position `from` to the position `to`. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.log10(Math.min(...values))
  const high = Math.log10(Math.max(...values))
  const room = Math.max(0.06 * (high - low), 0.04)
  const [begin, end] = [low - room, high + room]
  // Few decades get ticks between them.
  const steps = end - begin > 2.5 ? [1] : end - begin > 1.2 ? [1, 3] : [1, 2, 5]
  const ticks: number[] = []
  for (let decade = Math.floor(begin); decade <= Math.ceil(end); ++decade) {
    for (const step of steps) {
      const tick = step * 10 ** decade
      if (Math.log10(tick) >= begin && Math.log10(tick) <= end) ticks.push(tick)
    }
  }
  return { position: (value) => from + ((Math.log10(value) - begin) / (end - begin)) * (to - from), ticks }
}

/** An axis from zero. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  const highest = Math.max(...values) * 1.05
  const decade = 10 ** Math.floor(Math.log10(highest))
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * decade).find((size) => highest / size <= 6) ?? decade
  const ticks = Array.from({ length: Math.floor(highest / step) + 1 }, (_, i) => i * step)
  return { position: (value) => from + (value / highest) * (to - from), ticks }
}

const UNITS = [
  [1e9, ' G'],
  [1e6, ' M'],
  [1e3, ' k'],
] as const

/** Short: three significant digits at most. */
export function formatValue(value: number): string {
  for (const [size, suffix] of UNITS) {
    if (Math.abs(value) >= size * 0.9995) return `${significant(value / size)}${suffix}`
  }
  return significant(value)
}

function significant(value: number): string {
  return String(Number(value.toPrecision(3)))
}
