// The part of vitest's interface that the test suite uses, on top of node:test: vitest itself does not start under Wine.
// The expectations are vitest's own. Tests that have no meaning on Windows are skipped, each with its reason.

import { after, afterEach, before, beforeEach, describe as group, test } from 'node:test'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format } from 'node:util'

import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
} from '@vitest/expect'

import { leftOut } from './left-out.js'

type Body = () => unknown
type Cleanup = () => unknown
type EachBody = (...values: never[]) => unknown

const TIMEOUT_MS = 120_000

chai.use(JestExtend)
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)
const matchers = (globalThis as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT] ?? {}
export const expect = Object.assign(
  (value: unknown, message?: string): unknown => chai.expect(value, message),
  chai.expect as unknown as object,
  matchers,
)
;(chai.expect as unknown as { extend(expect: unknown, more: unknown): void }).extend(
  chai.expect,
  customMatchers,
)

/** The file under test, as test/platforms/windows/left-out.ts names it: unit/dial. */
const file = relative(fileURLToPath(new URL('../..', import.meta.url)), process.argv[1] ?? '')
  .split(sep)
  .join('/')
  .replace(/\.test\.js$/, '')
const reasons = leftOut[file] ?? {}
const unused = new Set(Object.keys(reasons))

let cleanups: Cleanup[] = []

/** Called when the running test is over, last one first. */
export function onTestFinished(cleanup: Cleanup): void {
  cleanups.push(cleanup)
}

async function run(body: Body): Promise<void> {
  cleanups = []
  try {
    await body()
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup()
  }
}

function reasonFor(name: string): string | undefined {
  const key = Object.keys(reasons).find((start) => name.startsWith(start))
  if (key !== undefined) unused.delete(key)
  return key === undefined ? undefined : reasons[key]
}

function define(name: string, body: Body, skipped = false): void {
  const reason = reasonFor(name)
  const skip = skipped ? true : (reason ?? false)
  void test(name, { skip, timeout: TIMEOUT_MS }, () => run(body))
}

function defineGroup(name: string, body: Body, skipped = false): void {
  const reason = reasonFor(name)
  const skip = skipped ? true : (reason ?? false)
  void group(name, { skip }, () => {
    void body()
  })
}

/** One call for each entry; arrays are spread over the arguments, and %s and the like are filled in. */
function each(call: (name: string, body: Body) => void) {
  return (entries: readonly unknown[]) =>
    (name: string, body: EachBody): void => {
      for (const entry of entries) {
        const values: unknown[] = Array.isArray(entry) ? entry : [entry]
        const places = name.match(/%[sdijoO]/g)?.length ?? 0
        const title = format(name, ...values.slice(0, places))
        call(title, () => (body as (...values: unknown[]) => unknown)(...values))
      }
    }
}

export const it = Object.assign(
  (name: string, body: Body) => {
    define(name, body)
  },
  {
    each: each((name, body) => {
      define(name, body)
    }),
    skipIf: (condition: unknown) => (name: string, body: Body) => {
      define(name, body, Boolean(condition))
    },
  },
)

export const describe = Object.assign(
  (name: string, body: Body) => {
    defineGroup(name, body)
  },
  {
    each: each((name, body) => {
      defineGroup(name, body)
    }),
    skipIf: (condition: unknown) => (name: string, body: Body) => {
      defineGroup(name, body, Boolean(condition))
    },
  },
)

export { before as beforeAll, after as afterAll, beforeEach, afterEach }

// A reason for a test that is not there (any more) hides something.
after(() => {
  if (unused.size > 0) throw new Error(`left-out.ts names no test of ${file}: ${[...unused].join(', ')}`)
})

/** Checks of types alone: the compiler has made them, and at run time any chain of calls does nothing. */
export function expectTypeOf(): unknown {
  const chain: unknown = new Proxy(() => chain, { get: () => chain })
  return chain
}
