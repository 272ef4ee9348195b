// A flood of connections by a user that is not let in, or by one that is and has all it may have: others are served all the
// same. How fast is a matter of the machine and of what else it does, so that is only held against the limits when TIMED=1
// says that it is quiet.

import { chmodSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import type { ListenOptions } from '../../lib/connection/listen-options.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { until } from '../support/wait.js'

const root = process.getuid?.() === 0
const [ALICE, BOB] = [23_456, 23_457]
const timed = process.env['TIMED'] === '1'
const MOST_DIAL_MS_P99 = 20
const MOST_ROUND_TRIP_RATIO = 2
/** Connections of the honest user, which no limit may keep out. */
const HONEST = 200

interface Flood {
  readonly by: string
  readonly options: ListenOptions
  /** Connections that the one who floods keeps open when it is let in, and goes beyond. */
  readonly atOnce: number
}
const FLOODS: readonly Flood[] = [
  { by: 'a user who is not let in', options: { policy: { users: [0, ALICE] } }, atOnce: 64 },
  {
    by: 'a user who has all that it may have',
    options: {
      policy: { users: [0, ALICE, BOB] },
      maxConnectionsPerUser: HONEST,
      maxNewConnectionsPerSecondPerUser: HONEST,
    },
    atOnce: HONEST + 64,
  },
]

describe.skipIf(!root)(`a flood${root ? '' : ' (skipped: needs root to act as other users)'}`, () => {
  it.each(FLOODS)(
    'by $by keeps nobody else out',
    async ({ by, options, atOnce }) => {
      const directory = temporaryDirectory()
      chmodSync(directory, 0o755)
      const listener = await listening(directory, { mode: 0o666, ...options })
      let received = 0
      let ofBobNow = 0
      let ofBobMost = 0
      const serving = (async () => {
        for await (const connection of listener) {
          void (async () => {
            const byBob = connection.peer.uid === BOB ? 1 : 0
            ofBobMost = Math.max(ofBobMost, (ofBobNow += byBob))
            const echo = new Sender(connection, 'echo')
            for await (const message of new Receiver(connection, 'r')) {
              if (message.type === 'ping') await echo.send(message)
              else ++received
            }
            ofBobNow -= byBob
          })()
        }
      })()
      const established = await dial('test', { directory })
      const ping = new Sender(established, 'ping')
      const pong = new Receiver(established, 'pong')
      /** The median. */
      const roundTripMs = async (count: number): Promise<number> => {
        const ms: number[] = []
        for (let i = 0; i < count; ++i) {
          const begin = performance.now()
          await ping.send(newSOCMessage('ping', i))
          expect((await pong.next()).value?.payload).toBe(i)
          ms.push(performance.now() - begin)
        }
        return ms.sort((a, b) => a - b)[count >> 1] ?? NaN
      }
      await roundTripMs(500)
      const quietMs = await roundTripMs(1000)

      const flooder = startChild('flooder', { address: listener.address, uid: BOB, atOnce })
      await flooder.report()
      await until(() => listener.stats.refused > 1000)
      const honest = startChild('honest', { path: listener.address, uid: ALICE, times: HONEST })
      const { p50, p99 } = await honest.report<{ p50: number; p99: number }>()
      const floodedMs = await roundTripMs(1000)
      const cpu = process.cpuUsage()
      const refusedBefore = listener.stats.refused
      await new Promise((resolve) => setTimeout(resolve, 500))
      const used = process.cpuUsage(cpu)
      const refused = listener.stats.refused - refusedBefore
      flooder.send('stop')
      await flooder.report()

      // Each honest connection was served, and none beyond those that may be reached the event loop.
      await until(() => received === HONEST)
      expect(listener.stats.accepted).toBeGreaterThanOrEqual(HONEST + 1)
      expect(ofBobMost).toBe(options.maxConnectionsPerUser ?? 0)
      expect(refused).toBeGreaterThan(0)
      console.log(
        `flood by ${by}: ${(refused * 2).toLocaleString('en')} refused/s at ${((used.user + used.system) / 5000).toFixed(0)} % of a core; ` +
          `honest dial p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms; ` +
          `round trip ${(quietMs * 1000).toFixed(0)} µs quiet, ${(floodedMs * 1000).toFixed(0)} µs flooded`,
      )
      if (timed) {
        expect(p99).toBeLessThanOrEqual(MOST_DIAL_MS_P99)
        expect(floodedMs).toBeLessThanOrEqual(MOST_ROUND_TRIP_RATIO * quietMs)
      }
      established.destroy()
      listener.close()
      await serving
    },
    60_000,
  )
})
