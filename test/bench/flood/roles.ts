// A listener that refuses everyone, and a C++ program that connects as fast as it can: how many are refused, and what that
// costs the event loop, idle and busy.

import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

import { listen } from 'sentinel-ipc'

import { runProgram } from '../harness/program.js'
import type { Figures, RoleContext } from '../harness/scenario.js'
import { PIPE_NAME, socketPath } from '../input/line.js'

/** Some other user: with a policy that lists only that one, all clients are refused, including this user. */
const SOMEBODY_ELSE = (process.getuid?.() ?? 0) + 23_456
/** A piece of work of about a tenth of a millisecond, after which the loop turns. */
const PIECE_STEPS = 100_000

export async function consumer(context: RoleContext): Promise<Figures> {
  const [warmUpMs, measureMs] = [context.number('warmUpMs'), context.number('measureMs')]
  const busy = context.text('loop') === 'busy'
  const listener = await listen(PIPE_NAME, {
    directory: context.directory,
    policy: { users: [SOMEBODY_ELSE] },
    mode: 0o666,
    throttleRefusals: context.text('throttled') === 'yes',
  })
  const stretch = (ms: number): Promise<number> => (busy ? work(ms) : sleep(ms, 0))
  await stretch(warmUpMs)
  const quiet = await stretch(measureMs)
  context.ready()
  const begin = performance.now()
  while (listener.stats.refused === 0) {
    if (performance.now() - begin > 10_000) throw new Error('nobody was refused')
    await sleep(1)
  }
  await stretch(warmUpMs)
  const refusedBefore = listener.stats.refused
  const loopBefore = performance.eventLoopUtilization()
  const since = performance.now()
  const flooded = await stretch(measureMs)
  const seconds = (performance.now() - since) / 1000
  return {
    refusedPerSecond: (listener.stats.refused - refusedBefore) / seconds,
    loopPercent: busy ? 100 : performance.eventLoopUtilization(loopBefore).utilization * 100,
    lostPercent: busy ? (1 - flooded / quiet) * 100 : 0,
  }
}

/** Works for this long. Returns how many pieces of work it finished per second. */
async function work(ms: number): Promise<number> {
  const begin = performance.now()
  let pieces = 0
  let now = begin
  for (; now - begin < ms; now = performance.now()) {
    piece()
    ++pieces
    await new Promise(setImmediate)
  }
  return (pieces * 1000) / (now - begin)
}

let sum = 0
function piece(): void {
  for (let i = 0; i < PIECE_STEPS; ++i) sum = (sum + i) % 1_000_003
}

export function flooder(context: RoleContext): Promise<Figures> {
  return runProgram(context, 'native', ['flood', socketPath(context.directory)])
}
