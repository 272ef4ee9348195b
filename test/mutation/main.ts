// Removes checks of the library one at a time, each in a copy, and runs the tests that must notice. A removal that no test
// notices fails the run.

import { fileURLToPath } from 'node:url'

import { misused, readOptions, wholeNumber } from '../../release/options.js'
import { MUTATIONS } from './all.js'
import { Copy, type Verdict } from './copy.js'
import type { Mutation } from './mutation.js'

const DAY_MS = 86_400_000
/** The last one may begin just before, and take a minute. */
const TODAY_MINUTES = 2
/** How many fit into one day's part. The next day goes on behind them, so a larger number would leave some out for ever. */
const TODAY_COUNT = 5

const HELP = `Usage: npm run test:mutation -- [options]

Removes checks of the library one at a time, each in a copy, and runs the tests that must notice. Fails if none does.

  --only TEXT     those whose name or file contains it
  --from NUMBER   begins with that one of the list (default 0)
  --minutes N     begins no other once this time has passed, and says with which number to go on (default: no limit)
  --jobs N        how many at a time, each in a copy of its own; default 1, because tests may wait for each other's processor
  --today         five, and at most 3 minutes, that the date chooses, so that all get their turn
  --list          shows the list
  --help          this text`

const { values } = readOptions(HELP, {
  options: {
    only: { type: 'string', default: '' },
    from: { type: 'string', default: '0' },
    minutes: { type: 'string', default: 'Infinity' },
    jobs: { type: 'string', default: '1' },
    today: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})

const from = wholeNumber('from', values.from)
const jobs = wholeNumber('jobs', values.jobs, 1)
const minutes = values.today ? TODAY_MINUTES : Number(values.minutes)
if (!(minutes > 0)) misused(`--minutes must be a positive number, not ${JSON.stringify(values.minutes)}`)

/** The tests of a mutation: what all mutations with the same ones have in common. */
function keyOf({ tests, named }: Mutation): string {
  return `${tests.join(' ')} ${named ?? ''}`
}

/** The mutations with the same tests one after the other, from a number on, round the list if it is today's part. */
function chosen(): { readonly number: number; readonly mutation: Mutation }[] {
  const keys = [...new Set(MUTATIONS.map(keyOf))]
  const inOrder = keys.flatMap((key) => MUTATIONS.filter((mutation) => keyOf(mutation) === key))
  const all = inOrder
    .map((mutation, number) => ({ number, mutation }))
    .filter(({ mutation: { name, file } }) => `${name} ${file}`.includes(values.only))
  if (!values.today) return all.filter(({ number }) => number >= from)
  const first = (Math.floor(Date.now() / DAY_MS) * TODAY_COUNT) % all.length
  return [...all.slice(first), ...all.slice(0, first)].slice(0, TODAY_COUNT)
}

function secondsSince(beginMs: number): string {
  return `${Math.round((performance.now() - beginMs) / 1000)} s`
}

// The tests run in process groups of their own, which end with this process.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

const root = fileURLToPath(new URL('../../..', import.meta.url))
const beginMs = performance.now()
const endMs = beginMs + minutes * 60_000
/** The tests pass as long as nothing is removed: run once for all mutations that have the same. */
const sound = new Map<string, Verdict>()
const problems: string[] = []
let caught = 0
let tried = 0

async function attempt(copy: Copy, mutation: Mutation): Promise<string> {
  const key = keyOf(mutation)
  const before = sound.get(key) ?? (await copy.runTests(mutation))
  sound.set(key, before)
  if (before.chosen === 0) return `BROKEN  ${mutation.name}: no test has a name like ${mutation.named ?? ''}`
  if (before.caughtBy.length > 0) {
    return `UNSOUND ${mutation.name}: fails without it: ${before.caughtBy.join('; ')}\n${before.output.slice(-3000)}`
  }
  if (before.passed === 0) return `skipped ${mutation.name}: its tests do not run here`
  let undo
  try {
    undo = await copy.mutate(mutation)
  } catch (error) {
    const { message, stderr = '' } = error as { message: string; stderr?: string }
    return `BROKEN  ${mutation.name}: ${message}\n${stderr.slice(-3000)}`
  }
  const { caughtBy } = await copy.runTests(mutation)
  undo()
  const [first] = caughtBy
  if (first === undefined) return `MISSED  ${mutation.name}`
  ++caught
  const more = caughtBy.length > 1 ? ` (and ${caughtBy.length - 1} more)` : ''
  return `caught  ${mutation.name}: ${first}${more}`
}

const waiting = chosen()

/** Takes mutations that have the same tests off the front, so that no other copy runs them unmutated as well. */
function takeGroup(): typeof waiting {
  const [first] = waiting
  if (first === undefined) return []
  const key = keyOf(first.mutation)
  const other = waiting.findIndex(({ mutation }) => keyOf(mutation) !== key)
  return waiting.splice(0, other < 0 ? waiting.length : other)
}

/** The first one that was not tried because time was up. */
let goOnWith = Infinity

async function work(): Promise<void> {
  const copy = new Copy(root)
  try {
    for (let group = takeGroup(); group.length > 0; group = takeGroup()) {
      for (const { number, mutation } of group) {
        if (performance.now() > endMs) {
          goOnWith = Math.min(goOnWith, number)
          return
        }
        ++tried
        const begin = performance.now()
        const line = await attempt(copy, mutation)
        if (/^(?:MISSED|BROKEN|UNSOUND)/.test(line)) problems.push(line)
        console.log(`[${number + 1}/${MUTATIONS.length}, ${secondsSince(begin)}] ${line}`)
      }
    }
  } finally {
    copy.remove()
  }
}

if (values.list) {
  for (const { number, mutation } of waiting) console.log(`${number} ${mutation.name} (${mutation.file})`)
} else {
  await Promise.all(Array.from({ length: jobs }, work))
  if (goOnWith < Infinity) console.log(`time is up; go on with: --from ${goOnWith}`)
}
console.log(`${caught} of ${tried} mutations caught in ${secondsSince(beginMs)}`)
if (problems.length > 0) console.log(problems.map((line) => line.split('\n')[0]).join('\n'))
process.exitCode = problems.length === 0 ? 0 : 1
