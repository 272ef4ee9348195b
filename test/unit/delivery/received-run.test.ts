// The states of messages that were read together: in whatever order they are handed out and settled, the run knows which are in
// hand and how many are left, as a list with one state each would.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { ReceivedRun } from '../../../lib/delivery/receiver/received-run.js'
import { numbered } from '../../support/messages.js'

const COUNT = 8
const settler = { release: (): void => undefined, reject: (): void => undefined }

type State = 'waiting' | 'in hand' | 'done'
type Step = ['hand out', number] | ['finish', number, number] | ['finish one', number]

const index = fc.nat(COUNT - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('hand out' as const), fc.integer({ min: 1, max: COUNT })),
  fc.tuple(fc.constant('finish' as const), index, fc.integer({ min: 1, max: COUNT })),
  fc.tuple(fc.constant('finish one' as const), index),
)

/** A run, and the list that it is compared with. */
class Pair {
  readonly run = new ReceivedRun(settler, numbered(COUNT), 1, 100)
  readonly states: State[] = Array.from({ length: COUNT }, () => 'waiting')

  /** Takes a step if the state allows it: what was not handed out cannot be finished together. */
  take(one: Step): void {
    const { run, states } = this
    if (one[0] === 'hand out') {
      const begin = run.next
      const end = Math.min(COUNT, begin + one[1])
      if (states.slice(begin, end).some((state) => state === 'done')) return
      run.next = end
      run.handOut(begin, end)
      states.fill('in hand', begin, end)
    } else if (one[0] === 'finish one') {
      if (states[one[1]] === 'done') return
      run.finishOne(one[1])
      states[one[1]] = 'done'
    } else {
      const [, begin, count] = one
      const end = Math.min(run.next, begin + count)
      if (end <= begin) return
      if (states.slice(begin, end).some((state) => state !== 'in hand')) run.noteSettledApart()
      const finished: number[] = []
      run.finish(begin, end, (from, to) => {
        for (let at = from; at < to; ++at) finished.push(at)
      })
      const wanted = [...states.keys()].filter((at) => begin <= at && at < end && states[at] === 'in hand')
      expect(finished).toEqual(wanted)
      for (const at of wanted) states[at] = 'done'
    }
  }

  compare(): void {
    const inHand = [...this.states.keys()].filter((at) => this.states[at] === 'in hand')
    expect([...this.states.keys()].filter((at) => this.run.isInHand(at))).toEqual(inHand)
    expect(this.run.left).toBe(this.states.filter((state) => state !== 'done').length)
    expect(this.run.isInHand(-1)).toBe(false)
    expect(this.run.isInHand(COUNT)).toBe(false)
  }
}

describe('a run of received messages', () => {
  it('knows the state of each, in whatever order they are settled', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const pair = new Pair()
        for (const one of steps) {
          pair.take(one)
          pair.compare()
        }
      }),
      { numRuns: 1000 },
    )
  })
})

it('finds messages in their order at once, however often each is looked up', () => {
  const count = 1000
  const messages = numbered(count)
  let reads = 0
  const counted = new Proxy(messages, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d/.test(key)) ++reads
      return Reflect.get(target, key, receiver) as unknown
    },
  })
  const run = new ReceivedRun(settler, counted, 1, 100)
  reads = 0
  for (const [index, message] of messages.entries()) {
    for (let times = 0; times < 3; ++times) expect(run.indexOf(message)).toBe(index)
  }
  expect(reads).toBeLessThan(5 * count)
})
