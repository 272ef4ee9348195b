// The data that the page plots: the last minutes of each process.

import { isMissing, type ProcessView, type View } from './rates.js'

/** Ten minutes at one reading per second. */
const MOST_POINTS = 600
/** Connections sent to the page for each process. */
const MOST_CONNECTIONS = 50

/** One reading of one process, in a compact form: time, in, out, pending, cpu, memory, loop lag, refused. */
export type Point = readonly [number, number, number, number, number, number, number, number]

interface Series {
  latest: View
  readonly points: Point[]
}

export class History {
  readonly #series = new Map<string, Series>()

  add(timeMs: number, views: readonly View[]): void {
    for (const name of this.#series.keys()) {
      if (!views.some((view) => view.name === name)) this.#series.delete(name)
    }
    for (const view of views) {
      let series = this.#series.get(view.name)
      if (series === undefined) this.#series.set(view.name, (series = { latest: view, points: [] }))
      series.latest = view
      if (isMissing(view)) continue
      series.points.push(pointOf(timeMs, view))
      if (series.points.length > MOST_POINTS) series.points.shift()
    }
  }

  /** Returns the data in the form that the page expects. */
  toJSON(): unknown {
    return [...this.#series].map(([name, { latest, points }]) => ({
      name,
      points,
      latest: shortened(latest),
    }))
  }
}

function shortened(view: View): View {
  if (isMissing(view)) return view
  const busiest = [...view.connections].sort(
    (one, other) => other.inRate + other.outRate - one.inRate - one.outRate,
  )
  return { ...view, connections: busiest.slice(0, MOST_CONNECTIONS) }
}

function pointOf(timeMs: number, view: ProcessView): Point {
  const { inRate, outRate, pending, cpu, rssBytes, loopLagMs, refusedRate } = view
  const round = (value: number): number => Math.round(value * 10) / 10
  return [timeMs, round(inRate), round(outRate), pending, round(cpu), rssBytes, loopLagMs, round(refusedRate)]
}
