// The live view: on a terminal a few lines that are redrawn in place, elsewhere one line per second. Output of the
// processes appears above it.

import { chainPicture } from './picture.js'
import type { Latency } from './protocol.js'
import type { AllCounts } from './pipeline.js'
import { duration, number, wrapped } from './text.js'

const REDRAW_EVERY_MS = 250
const LINE_EVERY_MS = 1000
/** Together with the names they fit a terminal of 80 columns. */
const COLUMN_WIDTHS = [19, 15, 13]
/** Time over which the speed is measured. */
const SPEED_MS = 1000

const CURSOR_UP_AND_CLEAR_BELOW = (lines: number): string => `\x1b[${lines}A\r\x1b[J`

export class View {
  readonly #output: NodeJS.WriteStream
  readonly #shown: boolean
  readonly #counts: () => AllCounts
  #begin = performance.now()
  #timer: NodeJS.Timeout | undefined
  /** Lines of the view on the terminal now. */
  #drawn = 0
  #speedSamples = [{ at: this.#begin, events: 0 }]

  constructor(output: NodeJS.WriteStream, shown: boolean, counts: () => AllCounts) {
    this.#output = output
    this.#shown = shown
    this.#counts = counts
  }

  /** Begins to show, and to measure: the time before was not reading. */
  start(): void {
    this.#begin = performance.now()
    this.#speedSamples = [{ at: this.#begin, events: 0 }]
    if (!this.#shown) return
    this.#timer = setInterval(
      () => {
        if (this.#output.isTTY) this.#redraw('')
        else this.#output.write(`${this.#progressLine()}\n`)
      },
      this.#output.isTTY ? REDRAW_EVERY_MS : LINE_EVERY_MS,
    )
  }

  /** Prints a line above the view. Returns false if the output accepts no more for now. */
  print(line: string): boolean {
    const text = this.#output.isTTY ? wrapped(line, this.#columns - 1) : line
    if (this.#drawn === 0) return this.#output.write(`${text}\n`)
    return this.#redraw(`${text}\n`)
  }

  /** Removes the view. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#drawn > 0) this.#output.write(CURSOR_UP_AND_CLEAR_BELOW(this.#drawn))
    this.#drawn = 0
  }

  get #columns(): number {
    return this.#output.columns > 0 ? this.#output.columns : 80
  }

  #redraw(above: string): boolean {
    const most = this.#columns - 1
    // A wrapped line would take two lines, and redrawing would move the view up.
    const lines = this.#viewLines().map((line) => (line.length > most ? `${line.slice(0, most - 1)}…` : line))
    const clear = this.#drawn > 0 ? CURSOR_UP_AND_CLEAR_BELOW(this.#drawn) : ''
    this.#drawn = lines.length
    return this.#output.write(`${clear}${above}${lines.join('\n')}\n`)
  }

  #viewLines(): string[] {
    const { ingest, correlate, respond } = this.#counts()
    const stage = (name: string, columns: readonly string[]): string =>
      `  ${name.padEnd(14)}${columns.map((column, i) => column.padEnd(COLUMN_WIDTHS[i] ?? 0)).join('')}`
    return [
      '',
      ...chainPicture(this.#counts()),
      `  ${this.#elapsed()}  ${number(this.#speed())} events/s  ${ingest?.doing ?? 'starting'}`,
      stage('soc-ingest', [
        `read ${number(ingest?.read ?? 0)}`,
        `pending ${number(ingest?.pending ?? 0)}`,
        `dropped ${number(ingest?.dropped ?? 0)}`,
        `unparsed ${number(unparsedOf(ingest))}`,
      ]),
      stage('soc-correlate', [
        `finished ${number(correlate?.finished ?? 0)}`,
        ...latencyColumns(correlate?.latency),
        `incidents ${number(correlate?.incidents ?? 0)}`,
      ]),
      stage('soc-respond', [
        `received ${number(respond?.received ?? 0)}`,
        ...latencyColumns(respond?.latency),
        `printed ${number(respond?.printed ?? 0)}`,
      ]),
    ]
  }

  #progressLine(): string {
    const { ingest, correlate, respond } = this.#counts()
    return [
      `[${this.#elapsed()}] ${number(this.#speed())} events/s`,
      `read ${number(ingest?.read ?? 0)}`,
      `incidents ${number(correlate?.incidents ?? 0)}`,
      `pending ${number(ingest?.pending ?? 0)}`,
      `dropped ${number(ingest?.dropped ?? 0)}`,
      `hop 1 ${latencyText(correlate?.latency)}`,
      `hop 2 ${latencyText(respond?.latency)}`,
    ].join(' · ')
  }

  #elapsed(): string {
    return `${((performance.now() - this.#begin) / 1000).toFixed(1)} s`
  }

  /** Events that soc-correlate finished in the last second. */
  #speed(): number {
    const now = { at: performance.now(), events: this.#counts().correlate?.finished ?? 0 }
    this.#speedSamples.push(now)
    while (this.#speedSamples.length > 2 && now.at - (this.#speedSamples[1]?.at ?? 0) >= SPEED_MS) {
      this.#speedSamples.shift()
    }
    const [first = now] = this.#speedSamples
    return now.at > first.at ? ((now.events - first.events) / (now.at - first.at)) * 1000 : 0
  }
}

/** Lines that became no event. */
export function unparsedOf(ingest: AllCounts['ingest']): number {
  if (ingest === undefined) return 0
  const { blank, unknown, tooLong, refused } = ingest.unparsed
  return blank + unknown + tooLong + refused
}

/** Median and 99th percentile. */
export function latencyText(latency: Latency | undefined): string {
  return `p50 ${duration(latency?.p50)}, p99 ${duration(latency?.p99)}`
}

function latencyColumns(latency: Latency | undefined): string[] {
  return [`p50 ${duration(latency?.p50)}`, `p99 ${duration(latency?.p99)}`]
}
