// Peers that do what no honest one does, on raw sockets. Each exchange must end in time, with an alert that names the
// peer as the kernel knows it, and leave store and registry as they were.

import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Severity } from '../../lib/swarm/alert-bus.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf, until } from '../support/wait.js'
import { fact, facts, GENOME, idsOf, listening, node, type Node } from '../unit/swarm/facts.js'

const EVIL = 'peer_eeeeeeeeeeeeeeeeeeeeeeee'
const TIMEOUT_MS = 400

function line(type: string, payload: unknown): string {
  return `${JSON.stringify({ type, payload })}\n`
}

function hello(more: object = {}): string {
  const payload = {
    from_peer_id: EVIL,
    from_node: 'evil',
    genome_hash: GENOME,
    timestamp: 1,
    nonce: 'n',
    ...more,
  }
  return line('handshake', payload)
}

function pagedHello(more: object = {}): string {
  return hello({ sentinel: { version: 1 }, ...more })
}

function ack(more: object = {}): string {
  const payload = {
    to_peer_id: EVIL,
    to_node: 'evil',
    genome_hash: GENOME,
    match: true,
    trust: 2,
    timestamp: 1,
  }
  return line('handshake_ack', { ...payload, sentinel: { version: 1 }, ...more })
}

function wire(id: string, more: object = {}): object {
  return {
    id,
    content: `content of ${id}`,
    level: 0,
    is_gene: false,
    source: 'evil',
    created_at: '2026-01-02T03:04:05Z',
    ...more,
  }
}

function page(facts: unknown, more: object = {}): string {
  return line('sync_payload', {
    from_peer_id: EVIL,
    genome_hash: GENOME,
    facts,
    synced_at: '2026-01-02T03:04:05Z',
    has_more: false,
    store: 'evil-store',
    next: '2026-01-02T03:04:05.000001Z',
    ...more,
  })
}

function request(more: object = {}): string {
  return line('sync_request', {
    from_peer_id: EVIL,
    genome_hash: GENOME,
    since: '1970-01-01T00:00:00Z',
    ...more,
  })
}

/** A line of 1 MiB of the smallest things that could be facts. */
const MILLION = `{"type":"sync_payload","payload":{"from_peer_id":"${EVIL}","genome_hash":"${GENOME}","has_more":false,"store":"s","next":"2026-01-02T03:04:05Z","facts":[${'0,'.repeat(500_000)}0]}}\n`
const MILLION_FACTS = `{"type":"sync_payload","payload":{"facts":[${`${JSON.stringify(wire('x'))},`.repeat(20_000)}`

type Case = readonly [what: string, lines: readonly string[], type: string, severity: Severity]

/** After the handshake, in either role. */
const AFTER_HANDSHAKE: readonly Case[] = [
  [
    'a page whose id exists with other content',
    [page([wire('new'), wire('known', { content: 'forged' })])],
    'fact-conflict',
    'critical',
  ],
  [
    'a page with one id twice',
    [page([wire('new'), wire('new', { content: 'other' })])],
    'fact-conflict',
    'critical',
  ],
  [
    'a forged gene that claims an update',
    [page([wire('gene', { content: 'x', updated_at: '2026-01-02T03:04:05Z' })])],
    'fact-conflict',
    'critical',
  ],
  [
    'a page that is from somebody else',
    [page([], { from_peer_id: 'peer_000000000000000000000000' })],
    'sender-changed',
    'critical',
  ],
  ['a page of another genome', [page([], { genome_hash: '' })], 'genome-changed', 'critical'],
  [
    'more facts than asked for',
    [page(Array.from({ length: 10_001 }, (_, i) => 0 * i))],
    'too-many-facts',
    'error',
  ],
  ['hundreds of thousands of facts in one line', [MILLION], 'too-many-facts', 'error'],
  ['facts that are none', [page([wire('good'), 17])], 'bad-fact', 'error'],
  ['a level that is none', [page([wire('good'), wire('x', { level: 4 })])], 'bad-fact', 'error'],
  ['a time that is none', [page([wire('x', { created_at: '2026-13-45T99:99:99Z' })])], 'bad-fact', 'error'],
  ['an id that never ends', [page([wire('x'.repeat(257))])], 'bad-fact', 'error'],
  ['a gene flag that is a text', [page([wire('x', { is_gene: 'yes' })])], 'bad-fact', 'error'],
  ['facts that are no list', [page({ length: 5 })], 'bad-page', 'error'],
  ['incidents that are none', [page([], { incidents: [{ id: 'i' }] })], 'bad-incident', 'error'],
  ['a payload that is no object', [line('sync_payload', [])], 'bad-message', 'error'],
  ['a line that is no JSON', ['{"type":"sync_payload","payload":{]\n'], 'not-json', 'error'],
  ['another handshake', [hello()], 'unexpected-message', 'error'],
]

/** Where pages go both ways. */
const IN_PAGES: readonly Case[] = [
  [
    'pages that do not go forward',
    [page([wire('a')], { has_more: true, next: '1970-01-01T00:00:00Z' })],
    'bad-page',
    'error',
  ],
  [
    'a page that holds nothing and says that there is more',
    [page([], { has_more: true })],
    'bad-page',
    'error',
  ],
  ['a page without its end', [page([], { next: undefined })], 'bad-page', 'error'],
  [
    'a confirmation of what was never sent',
    [request(), request({ since: '2030-01-01T00:00:00Z' })],
    'bad-request',
    'error',
  ],
  ['a request without a time', [request({ since: 5 })], 'bad-request', 'error'],
]

/** Those who only waste our time. */
const STALLING: readonly Case[] = [
  ['silence', [], 'exchange-timeout', 'warning'],
  ['half a page', [page([wire('a'), wire('b')]).slice(0, 300)], 'exchange-timeout', 'warning'],
  [
    'a page that never ends',
    ['{"type":"sync_payload","payload":{"facts":["', 'x'.repeat(3 << 20)],
    'too-large',
    'error',
  ],
  ['a million facts in a line that is far too long', [`${MILLION_FACTS}0]}}\n`], 'too-large', 'error'],
]

async function victim(directory: string): Promise<{ ours: Node; unchanged: () => Promise<void> }> {
  const ours = node(directory, 'ours', { exchangeTimeoutMs: TIMEOUT_MS })
  await ours.store.addBatch([fact('known'), fact('gene', { isGene: true }), ...facts(20)])
  ours.registry.completeHandshake({
    peerId: 'peer_aaaaaaaaaaaaaaaaaaaaaaaa',
    node: 'friend',
    genomeHash: GENOME,
  })
  const state = async (): Promise<unknown> => [
    await idsOf(ours.store),
    await ours.store.get('known'),
    await ours.store.lastPosition(),
    await ours.incidents.count(),
    ours.registry.snapshot(),
  ]
  const before = await state()
  return {
    ours,
    unchanged: async () => {
      expect(await state()).toEqual(before)
    },
  }
}

function expectAlert(ours: Node, type: string, severity: Severity): void {
  expect(ours.alerts.recent()).toMatchObject([
    { type, severity, peer: { uid: process.getuid?.(), pid: process.pid } },
  ])
  const [alert] = ours.alerts.recent()
  expect(alert?.message).toContain(`uid ${process.getuid?.() ?? ''}, pid ${process.pid}`)
  expect(alert?.message).toMatch(/^[\x20-\x7e]*$/)
}

/** Speaks to our listener: each line when something has come back for the one before. */
async function attackListener(directory: string, lines: readonly string[], ends = false): Promise<void> {
  const socket = connect(join(directory, 'swarm.sock'))
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
    ['an id that is none', [hello({ from_peer_id: '../../etc/passwd' })], 'bad-handshake', 'error'],
    ['a node name that never ends', [hello({ from_node: 'x'.repeat(300) })], 'bad-handshake', 'error'],
    ['a genome that is none', [hello({ genome_hash: 'AB'.repeat(32) })], 'bad-handshake', 'error'],
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

/** Listens as our victim's peer would: answers the handshake with the lines. */
async function attackDialer(directory: string, lines: readonly string[]): Promise<void> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(lines.join('')))
  })
  await new Promise<void>((resolve) => server.listen(join(directory, 'swarm.sock'), resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
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

describe('a dialer and a listener that answers', () => {
  it.each<Case>([
    ['nothing', [], 'exchange-timeout', 'warning'],
    ['a wrong message', [hello()], 'unexpected-message', 'error'],
    ['an id that is none', [ack({ to_peer_id: 'me' })], 'bad-handshake', 'error'],
    ['a match that is a text', [ack({ match: 'true' })], 'bad-handshake', 'error'],
    ['a trust that is none', [ack({ trust: 9 })], 'bad-handshake', 'error'],
    ['a match with another genome', [ack({ genome_hash: 'cd'.repeat(32) })], 'bad-handshake', 'error'],
    [
      'as Go does, and then goes on talking',
      [ack({ sentinel: undefined }), page([wire('a')])],
      'unexpected-message',
      'error',
    ],
    ['as Go does, and never hangs up', [ack({ sentinel: undefined })], 'exchange-timeout', 'warning'],
  ])('%s', async (_what, lines, type, severity) => {
    await expectDialerHolds(lines, type, severity)
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
  it('of one kind come at a bounded rate, and those left out are counted', async () => {
    const directory = temporaryDirectory()
    const { ours } = await victim(directory)
    await listening(ours)
    for (let i = 0; i < 30; ++i) await attackListener(directory, ['garbage\n'])
    await until(() => ours.reports.length === 30)
    expect(ours.alerts.emitted).toBeLessThan(30)
    await new Promise((resolve) => setTimeout(resolve, 1050))
    await attackListener(directory, ['garbage\n'])
    await until(() => ours.reports.length === 31)
    const omitted = ours.alerts.recent().reduce((sum, { counts }) => sum + (counts?.['omitted'] ?? 0), 0)
    expect(ours.alerts.emitted + omitted).toBe(31)
  })
})
