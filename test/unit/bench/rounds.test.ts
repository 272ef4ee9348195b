// The benchmark's rounds: a contestant that fails or hangs is reported, and everything else is still measured.

import { describe, expect, it } from 'vitest'

import { Progress } from '../../bench/harness/progress.js'
import { formatReport, toJson } from '../../bench/harness/report.js'
import { runScenario, type RunOptions, type ScenarioOutcome } from '../../bench/harness/rounds.js'
import type { Contestant, Scenario } from '../../bench/harness/scenario.js'

const role = { module: '', name: '' }
const contestant = (name: string): Contestant => ({ name, label: name, consumer: role })
const scenario: Scenario = {
  name: 'test',
  title: 'a test',
  notes: [],
  metrics: [{ name: 'rate', label: 'rate', digits: 0 }],
  contestants: [contestant('net'), contestant('ours'), contestant('broken')],
  reference: 'net',
  targets: [
    { path: 'ours', contestant: 'ours', metric: 'rate', of: 'ratio', atLeast: 2 },
    { path: 'broken', contestant: 'broken', metric: 'rate', of: 'ratio', atLeast: 2 },
  ],
  params: {},
  timeoutMs: 1000,
  trialMs: 1,
}
const machine = {
  date: '2026-01-01T00:00:00Z',
  cpu: 'a',
  cores: 2,
  memoryGiB: 1,
  kernel: 'L',
  node: 'v20',
  load: 0,
}

interface Run {
  readonly outcome: ScenarioOutcome
  readonly begun: readonly string[]
  readonly saved: readonly ScenarioOutcome[]
}

/** Runs three rounds; `fails` says which trials have no figures. */
async function run(
  fails: (name: string, round: number) => boolean,
  interrupted: (begun: number) => boolean = () => false,
): Promise<Run> {
  const begun: string[] = []
  const saved: ScenarioOutcome[] = []
  const options: RunOptions = {
    rounds: 3,
    profileDirectory: undefined,
    halves: undefined,
    whyMissing: () => undefined,
    progress: new Progress([[scenario, 9]], () => undefined),
    interrupted: () => interrupted(begun.length),
    onRound: (outcome) => saved.push(outcome),
    trial: (_scenario, { name }) => {
      begun.push(name)
      const round = begun.filter((other) => other === name).length
      if (fails(name, round)) return Promise.reject(new Error(`${name} hangs`))
      return Promise.resolve({ rate: name === 'net' ? 10 * round : 30 * round })
    },
  }
  return { outcome: await runScenario(scenario, options), begun, saved }
}

describe('a contestant that fails', () => {
  it('is reported and not run a third time, and the others have all their figures', async () => {
    const { outcome, begun, saved } = await run((name) => name === 'broken')
    expect(begun.filter((name) => name === 'broken')).toHaveLength(2)
    expect(outcome.failures).toEqual([
      { contestant: 'broken', round: 1, reason: 'broken hangs' },
      { contestant: 'broken', round: 2, reason: 'broken hangs' },
    ])
    expect(
      outcome.contestants.map(({ contestant: { name }, metrics }) => [name, metrics[0]?.value.samples]),
    ).toEqual([
      ['net', [10, 20, 30]],
      ['ours', [30, 60, 90]],
    ])
    expect(outcome.targets.map(({ met }) => met)).toEqual([true, undefined])
    expect(saved).toHaveLength(3)
    const options = { rounds: 3, scale: 'quick', processors: '' }
    expect(formatReport(machine, options, [outcome])).toContain('failed: broken, round 1 (broken hangs)')
    expect(toJson(machine, options, [outcome])).toContain('"reason": "broken hangs"')
  })

  it('in one round leaves the ratios of the other rounds between figures of the same round', async () => {
    const { outcome } = await run((name, round) => name === 'net' && round === 2)
    const ours = outcome.contestants.find(({ contestant: { name } }) => name === 'ours')
    expect(ours?.metrics[0]?.value.samples).toEqual([30, 60, 90])
    expect(ours?.metrics[0]?.ratio?.samples).toEqual([3, 3])
  })
})

it('keeps what was measured before an interruption', async () => {
  const { outcome, begun } = await run(
    () => false,
    (count) => count >= 4,
  )
  expect(begun).toHaveLength(4)
  expect(outcome.contestants.flatMap(({ metrics }) => metrics[0]?.value.samples).length).toBe(4)
})
