// Listeners that start at the same time, or after a crash of the previous one.

import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf } from '../support/wait.js'

const ROUNDS = 200

describe('two starters at once', () => {
  it(`exactly one wins, ${ROUNDS} times, with and without a stale socket in the way`, async () => {
    const directory = temporaryDirectory()
    const names = Array.from({ length: ROUNDS }, (_, i) => `race-${i}`)
    const squatter = startChild('squatter', { directory, names: names.filter((_, i) => i % 2 === 0) })
    await squatter.report()
    await squatter.kill()
    expect(readdirSync(directory)).toHaveLength(ROUNDS / 2)

    const racers = [startChild('racer', { directory }), startChild('racer', { directory })]
    await Promise.all(racers.map((racer) => racer.report()))
    const wins = [0, 0]
    for (const name of names) {
      const at = Date.now() + 8
      for (const racer of racers) racer.send({ name, at })
      const results = await Promise.all(
        racers.map((racer) => racer.report<{ won: boolean; code?: string }>()),
      )
      expect(
        results.filter((result) => result.won),
        JSON.stringify({ name, results }),
      ).toHaveLength(1)
      expect(results.find((result) => !result.won)?.code).toBe('ERR_IPC_ADDRESS_IN_USE')
      const winner = results.findIndex((result) => result.won)
      ++(wins as [number, number])[winner as 0 | 1]
      // The winner really listens there.
      ;(await dial(name, { directory })).destroy()
      racers[winner]?.send('close')
      await racers[winner]?.report()
    }
    expect(readdirSync(directory)).toEqual([])
    expect(wins.reduce((sum, count) => sum + count)).toBe(ROUNDS)
  }, 120_000)
})

describe('a listener killed with SIGKILL', () => {
  it('leaves its address to the next starter, again and again', async () => {
    const directory = temporaryDirectory()
    for (let i = 0; i < 10; ++i) {
      const child = startChild('endpoint', { role: 'listen', directory })
      await child.report()
      expect(await rejectionOf(listen('test', { directory }))).toMatchObject({
        code: 'ERR_IPC_ADDRESS_IN_USE',
      })
      ;(await dial('test', { directory })).destroy()
      await child.kill('SIGKILL')
      expect(readdirSync(directory)).toEqual(['test.sock', 'test.sock.lock'])
      expect(await rejectionOf(dial('test', { directory }))).toMatchObject({ code: 'ERR_IPC_NOT_LISTENING' })
    }
    const listener = await listen('test', { directory })
    listener.close()
    expect(readdirSync(directory)).toEqual([])
  })
})
