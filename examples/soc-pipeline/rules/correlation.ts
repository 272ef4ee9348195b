// The correlation as a whole: facts in, incidents out. Knows nothing of pipes, so that it can be tested by itself.

import { BoundedMap } from './bounded-map.js'
import type { Fact } from './fact.js'
import { Incidents, type Incident } from './incidents.js'
import { createRules } from './rules.js'

const MAX_PROCESSES = 10_000
/** Sysmon and the security log both report the start of a process, within this time. */
const SAME_START_MS = 10_000

export class Correlation {
  readonly #rules = createRules()
  readonly #incidents = new Incidents()
  /** Starts that only one of the two has reported yet. */
  readonly #starts = new BoundedMap<string, { reporter: string; open: number; time: number }>(MAX_PROCESSES)

  /** Different incidents so far. */
  get incidents(): number {
    return this.#incidents.total
  }

  /** Processes a fact and returns the incidents that it creates or changes. */
  add(fact: Fact): Incident[] {
    if (this.#isSecondReport(fact)) return []
    const told: Incident[] = []
    for (const rule of this.#rules) {
      const finding = rule(fact)
      if (finding !== undefined) told.push(...this.#incidents.add(finding, fact))
    }
    return told
  }

  /** Returns the remaining incidents when no more events come. */
  finish(): Incident[] {
    return [...this.#incidents.finish()]
  }

  #isSecondReport({ host, time, what }: Fact): boolean {
    if (what.kind !== 'process') return false
    // Not every shipper keeps the process id, so the command line must do.
    const key = `${host}|${what.program}|${what.commandLine}`
    const before = this.#starts.get(key)
    if (before === undefined || Math.abs(time - before.time) > SAME_START_MS) {
      this.#starts.set(key, { reporter: what.reporter, open: 1, time })
      return false
    }
    if (before.reporter === what.reporter || before.open === 0) {
      this.#starts.set(key, { reporter: what.reporter, open: before.open + 1, time })
      return false
    }
    --before.open
    return true
  }
}
