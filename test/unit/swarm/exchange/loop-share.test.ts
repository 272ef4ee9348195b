// The share of the event loop that exchanges take: bounded in a turn, and fair.

import { describe, expect, it } from 'vitest'

import { LoopShare } from '../../../../lib/swarm/exchange/loop-share.js'

function workFor(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('LoopShare', () => {
  it('lets short work go on at once, and long work wait for another turn', async () => {
    const { takeTurn } = new LoopShare()
    expect(takeTurn()).toBeUndefined()
    workFor(6)
    let turns = 0
    const count = setInterval(() => ++turns)
    for (let i = 0; i < 10; ++i) {
      await takeTurn()
      workFor(6)
    }
    clearInterval(count)
    expect(turns).toBeGreaterThan(4)
  })

  it('serves those that wait in their order', async () => {
    const { takeTurn } = new LoopShare()
    void takeTurn()
    workFor(6)
    const order: number[] = []
    await Promise.all(
      [0, 1, 2].map(async (worker) => {
        for (let i = 0; i < 2; ++i) {
          await takeTurn()
          order.push(worker)
          workFor(6)
        }
      }),
    )
    expect(order).toEqual([0, 1, 2, 0, 1, 2])
  })
})
