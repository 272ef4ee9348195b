// The blocks of `console` that run in a terminal, with what a person and other processes do there.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'

import { run, start } from '../../cli/support/command.js'
import type { Screen } from '../../cli/support/screen.js'
import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import { serve } from '../../../lib/services/server.js'
import { Spool } from '../../../lib/spool/spool.js'
import { startChild } from '../../support/child.js'
import { until } from '../../support/wait.js'
import type { Surroundings } from './surroundings.js'

export interface Session extends Surroundings {
  /** What a person, or another process, does while a command runs. */
  readonly during?: Readonly<Record<string, (screen: Screen, directory: string) => Promise<void>>>
  /** What may differ from the page in each line, besides numbers. */
  readonly same?: (line: string) => string
}

/** Ends a command once the terminal shows a text, and long enough after that for the test to have seen it. */
async function pressed(screen: Screen, key: string, text: string | RegExp): Promise<void> {
  await screen.shows(text)
  await sleep(300)
  screen.press(key)
}

async function correlator(directory: string): Promise<void> {
  const server = serve(await listen('correlator', { directory }), async (connection) => {
    const endpoint = new Endpoint(connection, 'correlator')
    endpoint.respond('status', () => ({ rules: 12, incidents: 3 }))
    await endpoint.whenClosed()
  })
  onTestFinished(async () => {
    await server.close({ timeoutMs: 100 })
  })
}

const INCIDENT =
  '{"type":"soc_incident","id":"i-1","ts":NOW,"payload":{"EventID":1102,"host":{"name":"web2"}}}'
const LOGON =
  '{"type":"soc_event","id":"1795704308306464941","ts":NOW,"payload":{"EventID":4625,"host":{"name":"db1"}}}'
const HOSTILE = '{"type":"soc_event","ts":NOW,"payload":"x\\u001b[31mred"}'

/** Sends messages to the listener of the terminal. */
async function sendLines(directory: string, ...lines: readonly string[]): Promise<void> {
  const input = lines.join('\n').replaceAll('NOW', String(Math.floor(Date.now() / 1000)))
  expect(await run(['send', 'events', '-d', directory, '--retries', '5'], { input })).toMatchObject({
    code: 0,
  })
}

export const SESSIONS: readonly Session[] = [
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc listen events --peer',
    during: {
      'sentinel-ipc listen events --peer': async (screen, directory) => {
        await screen.shows('listening at')
        await sendLines(directory, INCIDENT, HOSTILE)
        await pressed(screen, 'C-c', 'red')
      },
      'sentinel-ipc listen events -n 2 | cat': async (screen, directory) => {
        await screen.shows('listening at')
        await sendLines(directory, LOGON, INCIDENT)
      },
    },
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc send events < events.ndjson',
    setUp: async (directory) => {
      const line = (n: number): string =>
        `${JSON.stringify({ type: 'soc_event', id: `m${n}`, payload: { text: 'x'.repeat(140) } })}\n`
      writeFileSync(join(directory, 'two.ndjson'), line(1) + line(2))
      writeFileSync(
        join(directory, 'events.ndjson'),
        Array.from({ length: 60_000 }, (_, n) => line(n)).join(''),
      )
      const server = serve(await listen('events', { directory }), async (connection) => {
        // So slow that there is progress to show.
        for await (const batch of new Receiver(connection, 'r').batches())
          if (batch.length > 1) await sleep(20)
      })
      onTestFinished(async () => {
        await server.close({ timeoutMs: 100 })
      })
    },
  },
  { page: 'docs/cli.md', has: 'sentinel-ipc request correlator status', setUp: correlator },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc relay events archive',
    during: {
      'sentinel-ipc relay': (screen) => pressed(screen, 'C-c', 'relaying'),
    },
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc ping correlator',
    setUp: correlator,
    instead: () => ({ '-n 1000': '-n 200' }),
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc doctor correlator',
    setUp: async (directory) => {
      const listener = start(['listen', 'correlator', '-d', directory])
      await until(() => existsSync(join(directory, 'correlator.sock')))
      listener.process.kill('SIGKILL')
      await listener.done
    },
    // Facts about the machine: it has each, whatever it says.
    same: (line) => line.replace(/^[✓!] ([a-z]*).*/, '✓ $1'),
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc top -d',
    setUp: async (directory) => {
      for (const name of ['collector', 'correlator'])
        await startChild('exposing', { name, directory }).report()
    },
    during: {
      'sentinel-ipc top': async (screen) => {
        await screen.shows(/^correlator +\d+ +\d+% .* [1-9][\d.]*k? /m)
        await pressed(screen, 'q', /^correlator .* [1-9]\d* [µm]s /m)
      },
    },
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc audit correlator -n 2',
    setUp: async (directory) => {
      await startChild('exposing', { name: 'correlator', directory }).report()
    },
    during: {
      'sentinel-ipc audit': async (screen, directory) => {
        // Until the follower is there, nothing is shown.
        await until(async () => {
          ;(await dial('correlator', { directory })).destroy()
          return screen.text.includes('code ')
        })
      },
    },
    same: (line) => (line.startsWith('{') ? Object.keys(JSON.parse(line) as object).join() : line),
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc spool /run/soc/spool',
    setUp: async (directory) => {
      const spool = await Spool.open({ directory: join(directory, 'spool') })
      for (let n = 0; n < 5; ++n) await spool.add(newSOCMessage('soc_event', { EventID: 4625 }))
      await spool.close()
    },
  },
  {
    page: 'docs/cli.md',
    has: 'sentinel-ipc bench',
    instead: () => ({ '--duration 2s': '--duration 200ms' }),
    same: (line) => line.replace(/^\d+ × .*, Node/, '1 × processor, Node'),
  },
]
