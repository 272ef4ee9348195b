// The short form of the chaos run: every process killed at random, connections cut. `npm run test:bridge` is the long form.

import { describe, expect, it } from 'vitest'

import { runChaos } from './chaos/run.js'
import { whyNoServer } from './nats-server.js'

describe.skipIf(whyNoServer !== undefined)(`chaos over NATS JetStream${whyNoServer ?? ''}`, () => {
  it.each([
    ['with a spool', 101, true],
    ['without a spool', 102, false],
  ])(
    'loses nothing, repeats nothing and keeps the order, %s, seed %i',
    async (_what, seed, spooled) => {
      const { faults, blows } = await runChaos({
        seed,
        senders: 3,
        messagesEach: 3000,
        spooled,
        everyMs: 350,
        pauseMs: 25,
        timeoutMs: 150_000,
      })
      expect(faults).toEqual([])
      expect(Object.keys(blows).length).toBeGreaterThan(2)
    },
    180_000,
  )
})
