// Hostile listeners on raw sockets. Each dial must end in time, with an alert that names the peer as the kernel knows it, and
// leave store and registry unchanged.

import { describe, expect, it } from 'vitest'

import type { Severity } from '../../lib/swarm/alerts/alert-bus.js'
import { temporaryDirectory } from '../support/directory.js'
import {
  ack,
  AFTER_HANDSHAKE,
  hello,
  IN_PAGES,
  page,
  STALLING,
  TIMEOUT_MS,
  wire,
  type Case,
} from '../support/hostile-lines.js'
import { servePlainly } from '../support/plain-server.js'
import { socketIn } from '../support/platform.js'
import { expectAlert, victim } from '../support/victim.js'
import { rejectionOf } from '../support/wait.js'
import { GENOME } from '../support/facts.js'

/** Listens as a peer of the victim would, and sends the lines after the handshake. */
async function attackDialer(directory: string, lines: readonly string[]): Promise<void> {
  await servePlainly(socketIn(directory, 'swarm'), (socket) => {
    socket.once('data', () => socket.write(lines.join('')))
  })
}

async function expectDialerHolds(lines: readonly string[], type: string, severity: Severity): Promise<void> {
  const directory = temporaryDirectory()
  const { ours, unchanged } = await victim(directory)
  await attackDialer(directory, lines)
  const begin = performance.now()
  const error = await rejectionOf(ours.transport.dial())
  expect(performance.now() - begin).toBeLessThan(TIMEOUT_MS + 1500)
  expect((error as { code?: string }).code).toMatch(/^ERR_IPC_/)
  expectAlert(ours, type, severity)
  await unchanged()
}

describe('a dialer and a listener that sends, where pages go both ways,', () => {
  it.each([...AFTER_HANDSHAKE, ...IN_PAGES, ...STALLING])('%s', async (_what, lines, type, severity) => {
    await expectDialerHolds([ack(), ...lines], type, severity)
  })
})

describe('a dialer and a listener that replies with', () => {
  it.each<Case>([
    ['nothing', [], 'exchange-timeout', 'warning'],
    ['a wrong message', [hello()], 'unexpected-message', 'error'],
    ['an invalid id', [ack({ to_peer_id: 'me' })], 'bad-handshake', 'error'],
    ['a match that is a string', [ack({ match: 'true' })], 'bad-handshake', 'error'],
    ['an unknown trust', [ack({ trust: 9 })], 'bad-handshake', 'error'],
    ['a match with another genome', [ack({ genome_hash: 'cd'.repeat(32) })], 'bad-handshake', 'error'],
    [
      'what Go sends, and then more',
      [ack({ sentinel: undefined }), page([wire('a')])],
      'unexpected-message',
      'error',
    ],
    ['what Go sends, and never hangs up', [ack({ sentinel: undefined })], 'exchange-timeout', 'warning'],
  ])('%s', async (_what, lines, type, severity) => {
    await expectDialerHolds(lines, type, severity)
  })
})

describe('a dialer that has rejected a Go listener', () => {
  it('gives it nothing', async () => {
    const directory = temporaryDirectory()
    const { ours } = await victim(directory)
    await attackDialer(directory, [ack({ sentinel: undefined })])
    ours.registry.completeHandshake({ peerId: 'go:evil', node: 'evil', genomeHash: GENOME })
    expect(ours.registry.reject('go:evil')).toBe(true)
    expect(await ours.transport.dial()).toBe(false)
    expect(ours.alerts.recent()).toMatchObject([{ type: 'peer-rejected', peerId: 'go:evil' }])
    expect(ours.reports).toMatchObject([{ outcome: 'mismatch', sent: 0 }])
  })
})
