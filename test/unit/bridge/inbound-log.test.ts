// The log between a message system and a local receiver, when the receiver reports outcomes of messages that have not been
// read yet.

import { describe, expect, it } from 'vitest'

import { InboundLog, MOST_AHEAD } from '../../../lib/bridge/inbound-log.js'

interface Noted {
  readonly log: InboundLog
  /** Positions of the settled items. */
  readonly settled: number[]
  /** Number and reason of each rejected message, and its line. */
  readonly rejected: [number: number, reason: string, line: string][]
}

function newLog(settledThrough = 0): Noted {
  const settled: number[] = []
  const rejected: Noted['rejected'] = []
  const log = new InboundLog('ab'.repeat(16), settledThrough, {
    onSettled: ({ position }) => settled.push(position),
    onRejected: (line, _item, number, reason, done) => {
      rejected.push([number, reason, line.toString()])
      done()
    },
  })
  return { log, settled, rejected }
}

const lines = (from: number, count: number): Buffer =>
  Buffer.from(Array.from({ length: count }, (_, i) => `{"type":"t","i":${from + i}}\n`).join(''))

describe('the log of messages on their way in', () => {
  it('keeps rejections of messages that are not here yet, in any order, and applies each to its messages', () => {
    const { log, settled, rejected } = newLog()
    log.settle(8, 9, 'later')
    log.settle(2, 3, 'early')
    log.settle(5, 5)
    // The outcome that was reported first counts.
    log.settle(3, 8, 'again')
    log.add(1, lines(1, 2), 2, [], 0)
    expect(rejected.map(([number, reason]) => [number, reason])).toEqual([[2, 'early']])
    log.add(2, lines(3, 7), 7, [], 0)
    expect(rejected.map(([number, reason]) => [number, reason])).toEqual([
      [2, 'early'],
      [3, 'early'],
      [4, 'again'],
      [6, 'again'],
      [7, 'again'],
      [8, 'later'],
      [9, 'later'],
    ])
    expect(rejected[2]?.[2]).toContain('"i":4')
    expect(settled).toEqual([])
    expect(log.messages).toBe(1)
    log.settle(1, 1)
    expect(settled).toEqual([1, 2])
    expect(log.messages).toBe(0)
  })

  it('takes no time and no memory for the numbers of a rejection', () => {
    const { log, rejected } = newLog()
    const before = performance.now()
    // As a Map of numbers, it would not fit.
    log.settle(1, 2 ** 30, 'no')
    expect(performance.now() - before).toBeLessThan(1000)
    log.add(1, lines(1, 3), 3, [], 0)
    expect(rejected).toHaveLength(3)
  })

  it('says which numbers an earlier process may have sent: a bounded number beyond the checkpoint', () => {
    const { log } = newLog(1000)
    expect(log.next).toBeLessThanOrEqual(1001 + 2 * MOST_AHEAD)
    expect(log.next).toBeGreaterThan(1000 + MOST_AHEAD)
    expect(log.isFarAhead).toBe(false)
    log.add(1, lines(1, MOST_AHEAD), MOST_AHEAD, [], 0)
    expect(log.isFarAhead).toBe(true)
    log.recordedThrough = 1001
    expect(log.isFarAhead).toBe(false)
  })
})
