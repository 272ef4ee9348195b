// The scenes that the demo plays when it is given no files: a stranger at the door, a kill in the middle, harmless
// actions, a burst at full rate, and round trips. Each scene is announced, and has an outcome for the summary.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { actHarmlessly } from './own-actions.js'
import type { Pipeline } from './pipeline.js'
import { EVENT_PIPE } from './protocol.js'
import type { Attempt } from './stranger.js'
import { duration, number, plural } from './text.js'

/** The outcome of a scene. */
export interface Outcome {
  readonly scene: string
  readonly text: string
  readonly ok: boolean
}

/** A user id that needs no account. (65534 would be refused as the id that stands for unmapped users.) */
const STRANGER = 61_234
/** As stranger.ts reports it. */
const NOT_CLOSED = 'not closed: the other end reads'
const REQUESTS = 2000
/** The flow in which soc-correlate is killed, and how far into it. */
const FLOW_SECONDS = 0.8
const KILL_AFTER_MS = 400
/** When each scene begins, and how long the burst lasts, as fractions of the whole time. */
const AT = { stranger: 0.1, kill: 0.25, actions: 0.5, burst: 0.64, ask: 0.86 }
const BURST = 2 / 15

export interface ScenesOptions {
  readonly pipeline: Pipeline
  readonly directory: string
  readonly seconds: number
  readonly announce: (text: string) => void
}

/** Whether another user's process can be started here, for the scene with the stranger. */
export function canBeStrangers(): boolean {
  return process.getuid?.() === 0
}

/** Plays the scenes, one after the other. A scene that the pipeline's end cuts off has no outcome. */
export async function playScenes({
  pipeline,
  directory,
  seconds,
  announce,
}: ScenesOptions): Promise<Outcome[]> {
  const begin = performance.now()
  const outcomes: Outcome[] = []
  const scenes: readonly (readonly [number, () => Promise<Outcome | undefined>])[] = [
    [AT.stranger, () => stranger(directory, announce)],
    [AT.kill, () => kill(pipeline, announce)],
    [AT.actions, () => actions(directory, announce)],
    [AT.burst, () => burst(pipeline, seconds * BURST, announce)],
    [AT.ask, () => ask(pipeline, announce)],
  ]
  for (const [at, play] of scenes) {
    await sleep(Math.max(begin + at * seconds * 1000 - performance.now(), 0))
    if (pipeline.stopping) break
    const outcome = await play()
    if (outcome !== undefined) outcomes.push(outcome)
  }
  return outcomes
}

async function stranger(directory: string, announce: (text: string) => void): Promise<Outcome> {
  const scene = 'stranger'
  if (!canBeStrangers()) {
    const text = 'not shown: only root can start a process of another user'
    announce(`stranger: ${text}`)
    return { scene, text, ok: true }
  }
  announce(`stranger: a process of uid ${STRANGER} tries to slip a forged event into ${EVENT_PIPE}`)
  const attempt = await attemptOf(join(directory, `${EVENT_PIPE}.sock`))
  if (typeof attempt === 'string') return { scene, text: `could not be started: ${attempt}`, ok: false }
  const { connected, uid, end } = attempt
  // Directories above ours may keep it out already, and then there is nothing left to refuse.
  const letIn = connected && end === NOT_CLOSED
  const text = !connected
    ? `uid ${uid} could not even reach the pipe (${end})`
    : letIn
      ? `uid ${uid} was let in`
      : `uid ${uid} reached the pipe and was refused (${end}): the policy names uid ${process.getuid?.() ?? 0}. No byte of it was read`
  announce(`stranger: ${text}`)
  return { scene, text, ok: !letIn }
}

/** What a connecting process of another user sees; or, in words, why it could not be started. */
function attemptOf(path: string): Promise<Attempt | string> {
  const script = fileURLToPath(new URL('./stranger.js', import.meta.url))
  const child = spawn(process.execPath, [script, path], {
    uid: STRANGER,
    gid: STRANGER,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message)
    })
    child.once('close', (code) => {
      if (output !== '') resolve(JSON.parse(output) as Attempt)
      else resolve(`uid ${STRANGER} cannot run this program (exit code ${code ?? 'unknown'})`)
    })
  })
}

async function kill(pipeline: Pipeline, announce: (text: string) => void): Promise<Outcome | undefined> {
  const pid = pipeline.processes.find(([name]) => name === 'soc-correlate')?.[1]
  announce('kill: events at full rate, and soc-correlate dies in the middle of them')
  const flow = pipeline.do({ command: 'burst', seconds: FLOW_SECONDS })
  await sleep(KILL_AFTER_MS)
  announce(`kill: SIGKILL for soc-correlate (pid ${pid ?? 'unknown'})`)
  const begin = performance.now()
  if (!(await pipeline.killAndRestart('soc-correlate'))) return undefined
  const downMicros = Math.round((performance.now() - begin) * 1000)
  const done = await flow
  if (done?.command !== 'burst') return undefined
  const text = `soc-correlate killed in the middle of ${plural(done.events, 'event')}, and back in ${duration(downMicros)}: what it had not finished came again, and all are settled`
  announce(`kill: ${text}`)
  return { scene: 'kill', text, ok: true }
}

async function actions(directory: string, announce: (text: string) => void): Promise<Outcome> {
  announce('actions: opens two listening sockets, and runs a copy of /bin/sleep from its own directory')
  const problem = await actHarmlessly(directory)
  const text =
    problem === undefined
      ? 'two sockets and a program, to be found above'
      : `not all could be done: ${problem}`
  return { scene: 'actions', text, ok: true }
}

async function burst(
  pipeline: Pipeline,
  seconds: number,
  announce: (text: string) => void,
): Promise<Outcome | undefined> {
  announce(`burst: ${seconds.toFixed(1)} s of the sample at full rate`)
  const done = await pipeline.do({ command: 'burst', seconds })
  if (done?.command !== 'burst') return undefined
  const text = `${plural(done.events, 'event')} (the sample ${plural(done.times, 'time')}) in ${done.seconds.toFixed(1)} s, each settled: ${number(done.events / done.seconds)} a second`
  announce(`burst: ${text}`)
  return { scene: 'burst', text, ok: done.events > 0 }
}

async function ask(pipeline: Pipeline, announce: (text: string) => void): Promise<Outcome | undefined> {
  const done = await pipeline.do({ command: 'ask', requests: REQUESTS })
  if (done?.command !== 'ask') return undefined
  const { p50, p99 } = done.latency
  const text = `${plural(done.requests, 'request')} from soc-ingest to soc-respond and back, warm: p50 ${duration(p50)}, p99 ${duration(p99)}`
  announce(`round trip: ${text}`)
  return { scene: 'round trip', text, ok: true }
}
