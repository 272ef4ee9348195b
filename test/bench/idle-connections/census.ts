// Counts accepted connections and reads the memory of this process at the two moments that matter.

import { setTimeout as sleep } from 'node:timers/promises'

import type { Figures, RoleContext } from '../harness/scenario.js'

export class Census {
  readonly figures: Promise<Figures>
  readonly #context: RoleContext
  readonly #warmUp: number
  readonly #connections: number
  #accepted = 0
  #rssBefore = 0
  #resolve!: (figures: Figures) => void
  #reject!: (error: unknown) => void

  constructor(context: RoleContext) {
    this.#context = context
    this.#warmUp = context.number('warmUp')
    this.#connections = context.number('connections')
    this.figures = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  count(): void {
    ++this.#accepted
    if (this.#accepted === this.#warmUp) this.#begin().catch(this.#reject)
    if (this.#accepted === this.#warmUp + this.#connections) this.#end().catch(this.#reject)
  }

  async #begin(): Promise<void> {
    this.#rssBefore = await settledRss()
    this.#context.tell('go on')
  }

  async #end(): Promise<void> {
    const growth = (await settledRss()) - this.#rssBefore
    this.#resolve({ kibibytes: growth / 1024 / this.#connections })
  }
}

/** Resident memory after garbage collection. */
async function settledRss(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('the process must be started with --expose-gc')
  for (let i = 0; i < 4; ++i) {
    globalThis.gc()
    await sleep(50)
  }
  return process.memoryUsage.rss()
}
