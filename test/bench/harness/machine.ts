// Describes the machine that the figures were measured on.

import { cpus, loadavg, release, totalmem, type } from 'node:os'

export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** Load average of the last minute before the run, which shows what else was running. */
  readonly load: number
}

/** Load average of the last minute. Far above the number of busy processes of the run, it shows that others were at work. */
export function loadNow(): number {
  return loadavg()[0] ?? 0
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    date: new Date().toISOString(),
    cpu: all[0]?.model.trim() ?? 'unknown processor',
    cores: all.length,
    memoryGiB: totalmem() / 2 ** 30,
    kernel: `${type()} ${release()}`,
    node: process.version,
    load: loadNow(),
  }
}
