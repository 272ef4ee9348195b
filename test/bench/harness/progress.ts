// The progress line: the running trial and the remaining time, estimated from the expected times of the trials and
// corrected by the times they have taken so far.

import type { Scenario } from './scenario.js'

export class Progress {
  readonly #show: (line: string) => void
  readonly #totalMs: number
  readonly #startedAt = performance.now()
  #doneMs = 0

  /** @param plan how many trials of each scenario there will be */
  constructor(plan: readonly (readonly [Scenario, number])[], show: (line: string) => void) {
    this.#show = show
    this.#totalMs = plan.reduce((sum, [scenario, trials]) => sum + scenario.trialMs * trials, 0)
  }

  begin(what: string): void {
    const percent = Math.floor((100 * this.#doneMs) / this.#totalMs)
    this.#show(`${String(percent).padStart(3)} %, about ${formatTime(this.#leftMs)} left: ${what}`)
  }

  end(scenario: Scenario): void {
    this.#doneMs += scenario.trialMs
  }

  get #leftMs(): number {
    const left = this.#totalMs - this.#doneMs
    return this.#doneMs === 0 ? left : (left * (performance.now() - this.#startedAt)) / this.#doneMs
  }
}

function formatTime(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  return seconds < 60
    ? `${seconds} s`
    : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}
