// A deadline is a limit on a peer, so the time in which this process stands still does not count.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'

import { MAX_TIMER_MS } from '../../../lib/base/timing.js'
import { Deadline } from '../../../lib/wire/deadline.js'
import { afterRound } from '../../../lib/wire/turn.js'
import { crowd, lateArrival } from '../../support/late-arrival.js'
import { until } from '../../support/wait.js'

/** Blocks the event loop for this long. */
function standStill(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

describe('a deadline', () => {
  it('passes once, after its time', async () => {
    const passed = vi.fn()
    const begin = performance.now()
    new Deadline(passed).set(40)
    await until(() => passed.mock.calls.length > 0)
    expect(performance.now() - begin).toBeGreaterThanOrEqual(39)
    await sleep(60)
    expect(passed).toHaveBeenCalledTimes(1)
  })

  it('can be cleared, and set anew', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(20)
    deadline.clear()
    await sleep(50)
    expect(passed).not.toHaveBeenCalled()
    deadline.set(20)
    await until(() => passed.mock.calls.length === 1)
  })

  it('moves with each sign of life, and passes after the last one', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(200)
    for (let i = 0; i < 5; ++i) {
      await sleep(80)
      deadline.extend()
    }
    expect(passed).not.toHaveBeenCalled()
    await until(() => passed.mock.calls.length === 1)
  })

  it('moves forward when a shorter time is set', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(60_000)
    deadline.set(20)
    await until(() => passed.mock.calls.length === 1)
  })

  it('does not count the time in which this process stood still', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(300)
    standStill(700)
    await sleep(20)
    expect(passed).not.toHaveBeenCalled()
    await until(() => passed.mock.calls.length === 1)
  })

  it('sees the signs of life that arrived while this process stood still', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(20)
    // Read before the deadline's own check, as I/O is.
    setTimeout(() => {
      setImmediate(() => {
        deadline.extend()
      })
    }, 0)
    standStill(30)
    await sleep(15)
    expect(passed).not.toHaveBeenCalled()
    deadline.clear()
  })

  it('passes only when all that has arrived has been read, in however many turns', async () => {
    const { quiet, over } = await lateArrival()
    await new Promise<void>((resolve) => {
      new Deadline(resolve).set(1)
    })
    expect(quiet.stats.received).toBe(1)
    await over
  })

  it('does not pass after a sign of life, however long the other connections take to be read', async () => {
    const loud = await crowd()
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(1)
    const roundOver = new Promise<void>((resolve) => {
      setTimeout(() => {
        afterRound(resolve)
        setImmediate(() => {
          deadline.extend()
        })
      }, 1)
    })
    const over = loud.read()
    standStill(5)
    await roundOver
    expect(passed).not.toHaveBeenCalled()
    await until(() => passed.mock.calls.length === 1)
    await over
  })

  it('says how far a standstill has moved it, also before its timer has noticed, and once', async () => {
    const passed = vi.fn()
    const deadline = new Deadline(passed)
    deadline.set(300)
    expect(deadline.movedMs()).toBe(0)
    standStill(500)
    // Due at 300 before, and now 200 ms after the 500 that have gone.
    expect(deadline.movedMs()).toBeGreaterThan(390)
    const moved = deadline.movedMs()
    await sleep(20)
    expect(deadline.movedMs()).toBe(moved)
    expect(passed).not.toHaveBeenCalled()
    await until(() => passed.mock.calls.length === 1)
  })

  it('can be set to the longest time of a timer at any moment', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => {
      warnings.push(warning)
    }
    process.on('warning', onWarning)
    for (let i = 0; i < 1000; ++i) {
      const deadline = new Deadline(() => undefined)
      deadline.set(MAX_TIMER_MS)
      deadline.clear()
    }
    await sleep(10)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})
