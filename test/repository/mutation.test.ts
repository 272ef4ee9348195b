// The list of checks that `npm run test:mutation` removes: each stands in the code as the list has it, and each row of
// SECURITY.md has one, tried by a test that the row cites.

import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { MUTATIONS, WITHOUT_A_CHECK } from '../mutation/all.js'
import { countOf } from '../mutation/mutation.js'

const root = new URL('../../', import.meta.url)
const text = readFileSync(new URL('SECURITY.md', root), 'utf8')

/** The rows that this machine can try. Those of Windows have programs of their own. */
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| claim ') && !line.startsWith('| -'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | *\|?$/g, '').trim()))
  .flatMap(([claim = '', tests = '']) => (tests.includes('test/platforms/') ? [] : [{ claim, tests }]))

describe('a check that is removed', () => {
  it.each(MUTATIONS)('stands in the code once: $name', ({ file, from, to, tests }) => {
    expect(countOf(from, readFileSync(new URL(file, root), 'utf8')), file).toBe(1)
    expect(to).not.toBe(from)
    expect(file).toMatch(/\.(?:ts|cc|h)$/)
    for (const test of tests) expect(existsSync(new URL(test, root)), test).toBe(true)
  })

  it('has a name of its own', () => {
    const names = MUTATIONS.map(({ name }) => name)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })

  it.each(MUTATIONS.filter(({ claim }) => claim !== undefined))(
    'belongs to one row of SECURITY.md, and is tried by a test that it cites: $name',
    ({ claim = '', tests }) => {
      const cited = rows.filter((row) => row.claim.startsWith(claim))
      expect(cited, claim).toHaveLength(1)
      expect(tests.filter((test) => cited[0]?.tests.includes(test))).not.toEqual([])
    },
  )
})

describe('each row of SECURITY.md', () => {
  it.each(rows)('has a check that is removed, or a reason why not: $claim', ({ claim }) => {
    const removed = MUTATIONS.filter(
      (mutation) => mutation.claim !== undefined && claim.startsWith(mutation.claim),
    )
    const excused = WITHOUT_A_CHECK.filter((row) => claim.startsWith(row.claim))
    expect(removed.length + excused.length).toBeGreaterThan(0)
    // An excuse that is no longer needed must go.
    if (removed.length > 0) expect(excused).toEqual([])
  })
})
