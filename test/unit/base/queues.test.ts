// Fifo, Soon and the binary search.

import { describe, expect, it } from 'vitest'

import { Fifo } from '../../../lib/base/fifo.js'
import { Soon } from '../../../lib/base/soon.js'
import { indexAbove, indexAtLeast } from '../../../lib/base/sorted.js'

describe('Fifo', () => {
  it('hands out in order what was pushed, across many compactions', () => {
    const queue = new Fifo<number>()
    let pushed = 0
    let taken = 0
    for (let round = 0; round < 50; ++round) {
      for (let i = 0; i < 100; ++i) queue.push(pushed++)
      for (let i = 0; i < 80; ++i) expect(queue.shift()).toBe(taken++)
      expect(queue.first).toBe(taken)
      expect(queue.length).toBe(pushed - taken)
    }
    expect(queue.clear()).toEqual(Array.from({ length: pushed - taken }, (_, i) => taken + i))
    expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined])
  })
})

describe('Soon', () => {
  it('runs once for all calls of one step, and again for later calls', async () => {
    let runs = 0
    const soon = new Soon(() => {
      ++runs
    })
    soon.ask()
    soon.ask()
    expect(runs).toBe(0)
    await Promise.resolve()
    expect(runs).toBe(1)
    soon.ask()
    await Promise.resolve()
    expect(runs).toBe(2)
  })

  it('runs again if its own work asks', async () => {
    let runs = 0
    const soon = new Soon(() => {
      if (++runs < 3) soon.ask()
    })
    soon.ask()
    for (let i = 0; i < 5; ++i) await Promise.resolve()
    expect(runs).toBe(3)
  })
})

describe('indexAtLeast', () => {
  it('finds what a search from the front finds', () => {
    const items = [1, 1, 4, 4, 4, 9, 12].map((key) => ({ key }))
    for (let from = 0; from <= items.length; ++from) {
      for (let number = 0; number <= 13; ++number) {
        const found = items.findIndex(({ key }, i) => i >= from && key >= number)
        expect(indexAtLeast(items, number, ({ key }) => key, from)).toBe(found < 0 ? items.length : found)
      }
    }
  })
})

describe('indexAbove', () => {
  it('finds what a search from the front finds, between whole numbers and at the ends too', () => {
    const items = [1, 1, 4, 4, 4, 9.5, 12].map((key) => ({ key }))
    for (const number of [-Infinity, 0, 1, 1.5, 4, 9, 9.5, 10, 12, 13, Infinity]) {
      const found = items.findIndex(({ key }) => key > number)
      expect(indexAbove(items, number, ({ key }) => key)).toBe(found < 0 ? items.length : found)
    }
    expect(indexAbove<{ key: number }>([], 1, ({ key }) => key)).toBe(0)
  })
})
