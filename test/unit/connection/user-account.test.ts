// The account of one user: who may read while it is full, and when a connection is given up.

import { beforeEach, describe, expect, it } from 'vitest'

import { UserAccount, type AccountHolder } from '../../../lib/connection/user-account.js'
import { lateArrival } from '../../support/late-arrival.js'
import { until } from '../../support/wait.js'

const MAX_BYTES = 1000

let account: UserAccount
let changes: boolean[]

beforeEach(() => {
  changes = []
  account = new UserAccount({ maxBytes: MAX_BYTES, maxInvalidPerSecond: 10 }, ({ full }) =>
    changes.push(full),
  )
})

class Holder implements AccountHolder {
  wantsReading = true
  queuedBytes = 0
  unfinishedBytes = 0
  stopped = false
  overruns = 0
  /** Of its test: earlier accounts go on passing turns. */
  readonly #account = account

  constructor(queuedBytes = 0, unfinishedBytes = 0) {
    this.#account.add(this)
    this.queue(queuedBytes)
    this.extend(unfinishedBytes)
  }

  queue(bytes: number): void {
    this.queuedBytes += bytes
    this.#account.change(this, bytes, 0)
  }

  extend(bytes: number): void {
    this.unfinishedBytes += bytes
    this.#account.change(this, bytes, bytes)
  }

  setStopped(stopped: boolean): void {
    this.stopped = stopped
  }

  overrun(): void {
    ++this.overruns
    this.#account.remove(this)
    this.#account.change(this, -this.unfinishedBytes, -this.unfinishedBytes)
  }
}

const reading = (...holders: Holder[]): Holder[] => holders.filter(({ stopped }) => !stopped)

describe('an account', () => {
  it('stops no connection while it has room', () => {
    const holders = [new Holder(400), new Holder(0, 600)]
    expect(reading(...holders)).toEqual(holders)
    expect(account).toMatchObject({ held: 1000, full: false })
    expect(changes).toEqual([])
  })

  it('stops all when it is full but the one whose line must end, until half of it is free', () => {
    const [taken, line, short] = [new Holder(600), new Holder(0, 300), new Holder(0, 200)]
    expect(reading(taken, line, short)).toEqual([line])
    taken.queue(-500)
    expect(reading(taken, line, short)).toEqual([line])
    taken.queue(-100)
    expect(reading(taken, line, short)).toEqual([taken, line, short])
    expect(changes).toEqual([true, false])
  })

  it('gives turns to connections without a line that has begun, and none where the application must act', async () => {
    const [waiting, line, quiet] = [new Holder(900), new Holder(0, 200), new Holder()]
    const late = new Holder()
    const seen = new Set<Holder>()
    await until(() => {
      const [one, ...others] = reading(waiting, line, quiet, late)
      expect(others).toEqual([])
      if (one !== undefined) seen.add(one)
      return seen.size === 3
    })
    expect(seen.has(waiting)).toBe(false)
  })

  it('has a turn for a connection whose messages were taken', () => {
    const [one, other] = [new Holder(600), new Holder(600)]
    expect(reading(one, other)).toEqual([])
    one.queue(-10)
    expect(reading(one, other)).toEqual([])
    other.queue(-600)
    one.queue(300)
    expect(reading(one, other)).toEqual([other])
  })

  it('has no turn for a connection that the application does not read, until it does', () => {
    const [taken, line, unread] = [new Holder(900), new Holder(0, 100), new Holder()]
    for (const holder of [taken, line, unread]) holder.wantsReading = false
    taken.queue(200)
    expect(reading(taken, line, unread)).toEqual([])
    unread.wantsReading = true
    account.wanting(unread)
    expect(reading(taken, line, unread)).toEqual([unread])
  })

  it('looks at each connection a few times while all of them begin to wait, and none may have a turn', () => {
    const inHand = new Holder(2 * MAX_BYTES + 500)
    let looks = 0
    const holders = Array.from({ length: 500 }, () => {
      const holder = new Holder()
      Object.defineProperty(holder, 'wantsReading', { get: () => ++looks > 0 })
      return holder
    })
    for (const holder of holders) {
      account.wanting(holder)
      inHand.queue(-1)
    }
    expect(reading(...holders)).toEqual([])
    expect(looks).toBeLessThan(10 * holders.length)
    inHand.queue(-1)
    expect(reading(...holders)).toHaveLength(1)
  })

  it('ends, at twice its bound, the readable connection with the longest line', async () => {
    const [unread, longest, line] = [new Holder(0, 900), new Holder(0, 600), new Holder(0, 500)]
    unread.wantsReading = false
    await until(() => longest.overruns > 0)
    expect([unread, line].map(({ overruns }) => overruns)).toEqual([0, 0])
  })

  it('passes the turn on when its connection ends', () => {
    const [long, short, one] = [new Holder(0, 700), new Holder(0, 400), new Holder()]
    expect(reading(long, short, one)).toEqual([long])
    account.remove(long)
    expect(reading(short, one)).toHaveLength(1)
  })

  it('gives the longest line up at twice its bound, if it gets no further, also among equals', async () => {
    const holders = Array.from({ length: 5 }, () => new Holder(0, 450))
    await until(() => holders.some(({ overruns }) => overruns > 0))
    expect(holders.filter(({ overruns }) => overruns > 0)).toHaveLength(1)
    expect(account.held).toBe(1800)
  })

  it('gives none up that gets further', async () => {
    const [line] = [new Holder(0, 1500), new Holder(600)]
    for (let i = 0; i < 15; ++i) {
      line.extend(1)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    line.extend(-1515)
    expect(line.overruns).toBe(0)
  })

  it('lets one line reach beyond twice its bound, and further ones only when the application has finished messages', () => {
    const [inHand, longest, line] = [new Holder(1500), new Holder(0, 300), new Holder(0, 250)]
    expect(reading(inHand, longest, line)).toEqual([longest])
    longest.extend(600)
    expect(reading(inHand, longest, line)).toEqual([longest])
    // It has ended, and is in hand.
    longest.queue(900)
    longest.extend(-900)
    expect(account.held).toBe(2650)
    expect(reading(inHand, longest, line)).toEqual([])
    inHand.queue(-300)
    expect(reading(inHand, longest, line)).toEqual([])
    inHand.queue(-200)
    expect(reading(inHand, longest, line)).toEqual([line])
  })

  it('leaves a connection its turn until it could be read, however much there is to be read before', async () => {
    const { quiet, over } = await lateArrival()
    const [line, other] = [new Holder(0, 900), new Holder(0, 200)]
    expect(reading(line, other)).toEqual([line])
    const readBefore = await new Promise<number>((resolve) => {
      line.setStopped = () => {
        resolve(quiet.stats.received)
      }
    })
    expect(readBefore).toBe(1)
    await over
  })

  it('judges a line only by the time in which it might have got further', async () => {
    const [inHand, line, short] = [new Holder(1500), new Holder(0, 600), new Holder(0, 10)]
    await new Promise((resolve) => setTimeout(resolve, 100))
    inHand.queue(1000)
    await until(() => reading(inHand, line, short).length === 0)
    await new Promise((resolve) => setTimeout(resolve, 300))
    inHand.queue(-1000)
    expect(reading(inHand, line, short)).toEqual([line])
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(line.overruns).toBe(0)
    await until(() => line.overruns === 1)
  })

  it('knows whom it waits for', () => {
    const holder = new Holder(700, 600)
    expect(account.awaitsApplication).toBe(true)
    holder.queue(-200)
    expect(account.awaitsApplication).toBe(false)
  })

  it('counts the invalid lines of a second', async () => {
    expect([account.takeInvalid(6), account.takeInvalid(4), account.takeInvalid(1)]).toEqual([
      true,
      true,
      false,
    ])
    await new Promise((resolve) => setTimeout(resolve, 1050))
    expect(account.takeInvalid(10)).toBe(true)
  })
})
