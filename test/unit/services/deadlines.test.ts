// Deadlines: the heap against a plain list, and the one timer.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { MAX_TIMER_MS } from '../../../lib/base/timing.js'
import { Deadlines, type Timed } from '../../../lib/services/deadlines.js'
import { until } from '../../support/wait.js'

interface Entry extends Timed {
  readonly name: number
}

const entry = (name: number, deadlineMs: number): Entry => ({ name, deadlineMs, heapAt: -1 })

describe('Deadlines', () => {
  it('keeps every entry where it belongs, whatever is added and removed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1000), fc.boolean()), { maxLength: 200 }), (steps) => {
        const deadlines = new Deadlines<Entry>(() => undefined)
        const present: Entry[] = []
        for (const [i, [value, adds]] of steps.entries()) {
          if (adds || present.length === 0) {
            const added = entry(i, 1e9 + value)
            deadlines.add(added)
            present.push(added)
          } else {
            const [removed] = present.splice(value % present.length, 1)
            if (removed !== undefined) deadlines.remove(removed)
            expect(removed?.heapAt).toBe(-1)
          }
          // A heap: its places are 0 … n-1, and no entry is earlier than the one above it.
          const places = [...present].sort((a, b) => a.heapAt - b.heapAt)
          expect(places.map(({ heapAt }) => heapAt)).toEqual(places.map((_, place) => place))
          for (const { heapAt, deadlineMs } of places.slice(1)) {
            expect(places[(heapAt - 1) >> 1]?.deadlineMs).toBeLessThanOrEqual(deadlineMs)
          }
        }
        deadlines.clear()
        expect(present.every(({ heapAt }) => heapAt === -1)).toBe(true)
      }),
    )
  })

  it('takes a deadline later than a timer can wait for', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => {
      warnings.push(warning)
    }
    process.on('warning', onWarning)
    for (let i = 0; i < 10; ++i) {
      const deadlines = new Deadlines<Entry>(() => undefined)
      deadlines.add(entry(i, performance.now() + 2 * MAX_TIMER_MS))
      deadlines.clear()
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })

  it('reports late entries in order, once, and no others', async () => {
    const late: number[] = []
    const deadlines = new Deadlines<Entry>(({ name }) => late.push(name))
    const now = performance.now()
    const entries = [50, 10, Infinity, 30, 70, 20].map((ms) => entry(ms, now + ms))
    for (const added of entries) deadlines.add(added)
    const [, , , removed] = entries
    if (removed !== undefined) deadlines.remove(removed)
    deadlines.remove(entry(1, now)) // never added
    await until(() => late.length === 4)
    expect(late).toEqual([10, 20, 50, 70])
  })
})
