// Hostile dialers on raw sockets. Each exchange must end in time, with an alert that names the peer as the kernel knows it,
// and leave store and registry unchanged.

import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Severity } from '../../lib/swarm/alerts/alert-bus.js'
import { temporaryDirectory } from '../support/directory.js'
import {
  AFTER_HANDSHAKE,
  EVIL,
  hello,
  IN_PAGES,
  line,
  page,
  pagedHello,
  STALLING,
  TIMEOUT_MS,
  wire,
  type Case,
} from '../support/hostile-lines.js'
import { socketIn } from '../support/platform.js'
import { expectAlert, victim } from '../support/victim.js'
import { until } from '../support/wait.js'
import { listening, node } from '../support/facts.js'

/** Sends the first line to the listener, and the others once it has replied. */
async function attackListener(directory: string, lines: readonly string[], ends = false): Promise<void> {
  const socket = connect(socketIn(directory, 'swarm'))
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const [first = '', ...rest] = lines
  socket.write(first)
  socket.once('data', () => {
    socket.write(rest.join(''))
    if (ends) socket.end()
  })
  await closed
}

async function expectListenerHolds(
  lines: readonly string[],
  type: string,
  severity: Severity,
  ends = false,
): Promise<void> {
  const directory = temporaryDirectory()
  const { ours, unchanged } = await victim(directory)
  await listening(ours)
  const begin = performance.now()
  await attackListener(directory, lines, ends)
  await until(() => ours.reports.length === 1)
  expect(performance.now() - begin).toBeLessThan(TIMEOUT_MS + 1500)
  expect(ours.reports).toMatchObject([{ role: 'listener', outcome: 'failed', received: 0 }])
  expectAlert(ours, type, severity)
  await unchanged()
  // And it still serves others.
  const other = node(directory, 'other')
  expect(await other.transport.dial()).toBe(true)
}

describe('a listener and a dialer that sends, where pages go both ways,', () => {
  it.each([...AFTER_HANDSHAKE, ...IN_PAGES, ...STALLING])('%s', async (_what, lines, type, severity) => {
    await expectListenerHolds([pagedHello(), ...lines], type, severity)
  })
})

describe('a listener and a dialer that speaks as Go and sends', () => {
  it.each([...AFTER_HANDSHAKE, ...STALLING])('%s', async (_what, lines, type, severity) => {
    await expectListenerHolds([hello(), ...lines], type, severity)
  })
})

describe('a listener and a dialer that begins with', () => {
  it.each<Case>([
    ['a wrong first message', [page([wire('a')])], 'unexpected-message', 'error'],
    ['no handshake at all', [], 'exchange-timeout', 'warning'],
    ['half a handshake', [hello().slice(0, 40)], 'exchange-timeout', 'warning'],
    ['an unknown type', [line('\u001b[2J', {})], 'unexpected-message', 'error'],
    ['a handshake without an id', [hello({ from_peer_id: undefined })], 'bad-handshake', 'error'],
    ['an invalid id', [hello({ from_peer_id: '../../etc/passwd' })], 'bad-handshake', 'error'],
    ['a node name that is too long', [hello({ from_node: 'x'.repeat(300) })], 'bad-handshake', 'error'],
    ['an invalid genome', [hello({ genome_hash: 'AB'.repeat(32) })], 'bad-handshake', 'error'],
    ['a payload that is a list', [line('handshake', [])], 'bad-message', 'error'],
  ])('%s', async (_what, lines, type, severity) => {
    await expectListenerHolds(lines, type, severity)
  })

  it('our own id', async () => {
    const directory = temporaryDirectory()
    const { ours, unchanged } = await victim(directory)
    await listening(ours)
    await attackListener(directory, [pagedHello({ from_peer_id: ours.registry.selfId })])
    await until(() => ours.reports.length === 1)
    expectAlert(ours, 'own-id', 'critical')
    await unchanged()
  })

  it('another genome', async () => {
    const directory = temporaryDirectory()
    const { ours, unchanged } = await victim(directory)
    await listening(ours)
    await attackListener(directory, [hello({ genome_hash: 'cd'.repeat(32) }), page([wire('a')])])
    await until(() => ours.reports.length === 1)
    expect(ours.alerts.recent()).toMatchObject([
      { type: 'genome-mismatch', severity: 'warning', peer: { pid: process.pid } },
    ])
    await unchanged()
  })
})

describe('a listener and a dialer that hangs up', () => {
  it.each<Case>([
    ['after the handshake', [hello(), ''], 'exchange-broken', 'warning'],
    ['in the middle of a line', [hello(), page([wire('a')]).slice(0, 200)], 'truncated', 'error'],
    ['in the middle of a page', [pagedHello(), page([wire('a')]).slice(0, 200)], 'truncated', 'error'],
  ])('%s', async (_what, lines, type, severity) => {
    await expectListenerHolds(lines, type, severity, true)
  })
})

describe('a page', () => {
  it('that is good stays when a later one is bad, and is noted as read', async () => {
    const directory = temporaryDirectory()
    const { ours } = await victim(directory)
    await listening(ours)
    await attackListener(directory, [
      pagedHello(),
      page([wire('good')], { has_more: true, next: '2026-01-01T00:00:00.000001Z' }) +
        page([wire('half'), wire('known', { content: 'forged' })]),
    ])
    await until(() => ours.reports.length === 1)
    expectAlert(ours, 'fact-conflict', 'critical')
    expect(await ours.store.get('good')).toMatchObject({ source: 'swarm:evil' })
    expect(await ours.store.get('half')).toBeUndefined()
    expect(ours.registry.get(EVIL)?.read).toMatchObject({ store: 'evil-store' })
  })

  it('cannot pollute a prototype', async () => {
    const directory = temporaryDirectory()
    const { ours } = await victim(directory)
    await listening(ours)
    const poisoned = page([wire('x')]).replace('"level":0', '"level":0,"__proto__":{"polluted":1}')
    await attackListener(directory, [hello(), poisoned])
    await until(() => ours.reports.length === 1)
    expect(ours.reports).toMatchObject([{ outcome: 'synced', received: 1 }])
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

describe('alerts', () => {
  it('of one type have a bounded rate, and those left out are counted', async () => {
    const directory = temporaryDirectory()
    const { ours } = await victim(directory)
    await listening(ours)
    // At once, or a slow machine would not reach the rate.
    await Promise.all(Array.from({ length: 30 }, () => attackListener(directory, ['garbage\n'])))
    await until(() => ours.reports.length === 30)
    expect(ours.alerts.emitted).toBeLessThan(30)
    await new Promise((resolve) => setTimeout(resolve, 1050))
    await attackListener(directory, ['garbage\n'])
    await until(() => ours.reports.length === 31)
    const omitted = ours.alerts.recent().reduce((sum, { counts }) => sum + (counts?.['omitted'] ?? 0), 0)
    expect(ours.alerts.emitted + omitted).toBe(31)
  })
})
