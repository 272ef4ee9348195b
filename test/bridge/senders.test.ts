// The short form of the fleet run: a thousand connections at one bridge over a real server.
// `node out/test/bridge/fleet/main.js` is the long form.

import { describe, expect, it } from 'vitest'

import { runFleet } from './fleet/run.js'
import { whyNoServer } from './nats-server.js'

describe.skipIf(whyNoServer !== undefined)(`1,000 senders over NATS JetStream${whyNoServer ?? ''}`, () => {
  it('share a bridge: nothing is lost or repeated, and each keeps its order', async () => {
    const { faults, messages, batchMessages } = await runFleet({
      senders: 1000,
      messagesEach: 10,
      perSecond: 0,
      processes: 2,
      timeoutMs: 100_000,
    })
    expect(faults).toEqual([])
    expect(messages).toBe(10_000)
    // They share batches, however few messages each of them has.
    expect(batchMessages).toBeGreaterThan(10)
  }, 120_000)
})
