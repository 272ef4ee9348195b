// A round: everything that had arrived is read, in however many turns of the event loop.

import { describe, expect, it } from 'vitest'

import { afterRound, clearRound } from '../../../lib/wire/turn.js'
import { lateArrival } from '../../support/late-arrival.js'
import { rawToReceiver } from '../../support/pair.js'
import { until } from '../../support/wait.js'

describe('the end of a round', () => {
  it('comes when nothing has arrived', async () => {
    await new Promise<void>((resolve) => afterRound(resolve))
  })

  it('comes when the last of many connections has been read', async () => {
    const { quiet, over } = await lateArrival()
    await new Promise<void>((resolve) => afterRound(resolve))
    expect(quiet.stats.received).toBe(1)
    await over
  })

  it('comes although a peer sends without end', async () => {
    const { raw, receiver } = await rawToReceiver()
    const bytes = '{"type":"a"}\n'.repeat(10_000)
    const flood = (): void => {
      if (!raw.destroyed) raw.write(bytes, flood)
    }
    flood()
    void (async () => {
      while ((await receiver.next()).done !== true);
    })().catch(() => undefined)
    await until(() => receiver.stats.received > 10_000)
    for (let i = 0; i < 10; ++i) await new Promise<void>((resolve) => afterRound(resolve))
  })

  it('is reported in the order of the calls, and not if the call was withdrawn', async () => {
    const calls: number[] = []
    const first = afterRound(() => calls.push(1))
    afterRound(() => calls.push(2))
    clearRound(first)
    await new Promise<void>((resolve) => afterRound(resolve))
    expect(calls).toEqual([2])
  })
})
