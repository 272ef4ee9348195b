// What all connections of one user can make a listener's process hold, measured in a process of its own, with the users in
// further ones.

import { chmodSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import type { ListenerStats } from '../../lib/connection/admission.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { startChild, type Child } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'

const root = process.getuid?.() === 0
const [ALICE, BOB] = [23_458, 23_459]
const BUDGET = 8 << 20
/** The longest line, with the window that it came in. */
const LINE = (1 << 20) + (1 << 17)
/** Sockets and objects of the connections, and what the allocators keep: AddressSanitizer keeps freed memory for a while. */
const OVERHEAD = process.env['SANITIZED'] === '1' ? 256 << 20 : 16 << 20

interface Report {
  readonly rss: number
  readonly stats: ListenerStats
  readonly endings: Record<string, number>
}

interface Victim {
  readonly directory: string
  readonly address: string
  readonly ask: (question?: string) => Promise<Report>
}

async function startVictim(options: object = {}, acknowledging = false): Promise<Victim> {
  const directory = temporaryDirectory()
  chmodSync(directory, 0o755)
  const policy = root ? { mode: 0o666, policy: { users: [0, ALICE, BOB] } } : {}
  const child = startChild(
    'hoard-victim',
    {
      directory,
      acknowledging,
      options: { maxBytesPerUser: BUDGET, ...policy, ...options },
    },
    // Otherwise the C library keeps large memory that was freed, some 20 MiB, however many connections there are.
    { env: { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072' } },
  )
  const { address } = await child.report<{ address: string }>()
  const ask = (question = 'memory'): Promise<Report> => {
    child.send(question)
    return child.report<Report>()
  }
  // The first messages load and compile what the process needs anyway.
  await pings({ directory, address, ask }, 200)
  return { directory, address, ask }
}

/** Milliseconds of the slowest of so many round trips, as the user of this process. */
async function pings({ directory }: Victim, count: number): Promise<number> {
  const connection = await dial('victim', { directory })
  const [sender, receiver] = [new Sender(connection, 'ping'), new Receiver(connection, 'pong')]
  let slowestMs = 0
  for (let i = 0; i < count; ++i) {
    const began = performance.now()
    await sender.send(newSOCMessage('ping', i))
    expect((await receiver.next()).value?.type).toBe('pong')
    slowestMs = Math.max(slowestMs, performance.now() - began)
  }
  connection.destroy()
  return slowestMs
}

async function hoard(
  victim: Victim,
  kind: string,
  connections: number,
  bytes: number,
  uid?: number,
): Promise<Child> {
  const hoarder = startChild('hoarder', { address: victim.address, kind, connections, bytes, uid })
  await hoarder.report()
  return hoarder
}

const users: [string, number | undefined][] = [
  ['the own user', undefined],
  ...(root ? [['another user', ALICE] as [string, number]] : []),
]

describe.skipIf(process.platform !== 'linux').each(users)(
  `many connections of %s${root ? '' : ' (another user: skipped, needs root)'}`,
  (_who, uid) => {
    it.each([
      ['lines', 50, 1_000_000],
      ['messages', 200, 1_000_000],
      ['leaving', 200, 400_000],
      ['working', 100, 1_000_000],
    ])('cost at most twice the budget of one user with %s', async (kind, connections, bytes) => {
      const victim = await startVictim({}, kind === 'working')
      const before = await victim.ask()
      const hoarder = await hoard(victim, kind, connections, bytes, uid)
      const { rss, stats } = await victim.ask()
      expect(stats.heldBytes).toBeGreaterThan(BUDGET / 2)
      expect(stats.heldBytes).toBeLessThanOrEqual(2 * BUDGET + LINE)
      expect(stats.usersOverBudget).toBe(1)
      expect(rss - before.rss).toBeLessThan(2 * BUDGET + LINE + OVERHEAD)
      // Other users notice nothing. Connections of the same user get turns, unless the application has messages of theirs to take.
      if (uid !== undefined) expect(await pings(victim, 20)).toBeLessThan(500)
      else if (kind === 'lines') expect(await pings(victim, 5)).toBeLessThan(15_000)
      await hoarder.kill()
      // Connections that have had no turn are read only now, and held in their turn.
      await until(async () => (await victim.ask('take')).stats.heldBytes === 0)
      expect((await victim.ask()).stats.usersOverBudget).toBe(0)
    })
  },
)

describe('a user whose lines cannot all be held', () => {
  it('has them taken in turns, and none is lost', async () => {
    const victim = await startVictim({ maxBytesPerUser: 1 << 20 })
    const sizes = Array.from({ length: 20 }, (_, i) => 600_000 + i)
    const echoes = sizes.map(async (size) => {
      const connection = await dial('victim', { directory: victim.directory })
      const receiver = new Receiver(connection, 'pong')
      await new Sender(connection, 'ping').send(newSOCMessage('ping', 'x'.repeat(size)))
      const { value } = await receiver.next()
      connection.destroy()
      return value?.payload
    })
    expect(await Promise.all(echoes)).toEqual(sizes.map((size) => size + 2))
    expect((await victim.ask()).endings).toEqual({})
  })
})

describe('invalid lines', () => {
  it('are bounded for all connections of a user together', async () => {
    const victim = await startVictim({ maxInvalidPerSecondPerUser: 50 })
    const hoarder = await hoard(victim, 'invalid', 20, 20)
    await hoarder.kill()
    const { endings } = await victim.ask()
    // 15 of 20 connections with 10 lines each, unless a slow machine takes more than a second for them.
    expect(endings['too-many-invalid']).toBeGreaterThan(0)
  })
})
