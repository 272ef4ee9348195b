// Messages that were given numbers and are not acknowledged, in order, and how far the present connection has written
// them. Must not know connections.

/** Messages with numbers that follow each other, as the lines that go over the wire, which were checked before. */
export interface Run {
  /** Number of the first message. */
  readonly first: number
  readonly count: number
  readonly lines: Buffer
  /** Messages before this index are released. */
  begin: number
  /** The kernel has not taken all of it yet: its memory must stay as it is, whatever the peer says to have. */
  held: boolean
}

export function newRun(first: number, count: number, lines: Buffer): Run {
  return { first, count, lines, begin: 0, held: false }
}

export class InFlight {
  #runs: Run[] = []
  /** Index of the run to be written next. Those before it were written whole. */
  #cursor = 0

  /** Number of the oldest message. */
  get first(): number | undefined {
    const [run] = this.#runs
    return run === undefined ? undefined : run.first + run.begin
  }

  add(run: Run): void {
    this.#runs.push(run)
  }

  /** A new connection begins with the oldest message. */
  rewind(): void {
    for (const run of this.#runs) run.held = false
    this.#cursor = 0
  }

  /** The run that is to be written next, from `begin` on. */
  next(): Run | undefined {
    return this.#runs[this.#cursor]
  }

  /** {@link next} was written. */
  advance(): void {
    ++this.#cursor
  }

  /** Lets go of all messages through a number; tells of each run which. */
  releaseThrough(through: number, onReleased: (run: Run, begin: number, end: number) => void): void {
    let done = 0
    for (const run of this.#runs) {
      const { begin, count } = run
      const end = Math.min(through - run.first + 1, count)
      if (end > begin) {
        run.begin = end
        onReleased(run, begin, end)
      }
      if (run.begin < count) break
      ++done
    }
    if (done === 0) return
    this.#runs.splice(0, done)
    // A peer may know more than this connection has brought it.
    this.#cursor = Math.max(0, this.#cursor - done)
  }
}
