// The command line of the benchmarks: its options and their parsing.

import { parseArgs } from 'node:util'

import type { Scale } from './harness/scenario.js'

export interface CommandLine {
  readonly help: boolean
  readonly scale: Scale
  readonly rounds: number
  /** Empty: all scenarios. */
  readonly only: readonly string[]
  /** Empty: all contestants. */
  readonly contestants: readonly string[]
  readonly json: string | undefined
  readonly plots: string | undefined
  readonly profile: string | undefined
  /** Leave the processes where the scheduler puts them. */
  readonly anywhere: boolean
  /** Let the processors sleep when they have nothing to do. */
  readonly sleepy: boolean
}

const DEFAULT_ROUNDS: Readonly<Record<Scale, number>> = { quick: 1, normal: 5, full: 9 }

/** @throws TypeError for invalid arguments */
export function parseCommandLine(args: readonly string[], scenarioNames: readonly string[]): CommandLine {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      contestants: { type: 'string' },
      json: { type: 'string' },
      plots: { type: 'string' },
      profile: { type: 'string' },
      anywhere: { type: 'boolean', default: false },
      sleepy: { type: 'boolean', default: false },
    },
  })
  if (values.quick && values.full) throw new TypeError('--quick and --full exclude each other')
  const scale = values.quick ? 'quick' : values.full ? 'full' : 'normal'
  const rounds = values.rounds === undefined ? DEFAULT_ROUNDS[scale] : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError('--rounds must be a whole number from 1')
  const only = values.only?.split(',') ?? []
  for (const name of only) {
    if (!scenarioNames.includes(name)) {
      throw new TypeError(
        `there is no scenario ${JSON.stringify(name)}; there are ${scenarioNames.join(', ')}`,
      )
    }
  }
  const { help, json, plots, profile, anywhere, sleepy } = values
  const contestants = values.contestants?.split(',') ?? []
  return { help, scale, rounds, only, contestants, json, plots, profile, anywhere, sleepy }
}

export function helpText(scenarios: readonly { readonly name: string; readonly title: string }[]): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  return `Usage: npm run bench -- [options]

Compares sentinel-ipc with what Node.js users have today. Contestants take turns, each in two processes of its own.
Prints a table, writes all figures as JSON and draws plots. A target that is missed does not make it fail.

  --rounds N          turns of each contestant (default ${DEFAULT_ROUNDS.normal}; with --quick ${DEFAULT_ROUNDS.quick}, with --full ${DEFAULT_ROUNDS.full})
  --quick             short runs: shows that all works, not how fast it is
  --full              long runs, for figures to publish
  --only NAME[,NAME]  these scenarios alone
  --contestants NAME[,NAME]
                      these contestants alone
  --json PATH         where the JSON goes (default bench-results/<time>.json)
  --plots DIRECTORY   where the plots go, as SVG (default bench-results)
  --anywhere          leaves processes where the scheduler puts them, instead of half of the processors to each side in
                      scenarios where both sides work all the time
  --sleepy            lets processors sleep in those scenarios, instead of keeping them awake at the lowest priority
  --profile DIRECTORY writes a CPU profile of each process there; the figures suffer
  --help              this text

Scenarios:
${scenarios.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n')}
`
}
