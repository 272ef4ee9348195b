// The lines of hostile peers of the swarm, and the alert that each must cause.

import type { Severity } from '../../lib/swarm/alerts/alert-bus.js'
import { GENOME } from './facts.js'

export const EVIL = 'peer_eeeeeeeeeeeeeeeeeeeeeeee'
// Megabytes must pass within this time, which takes longer under Wine.
export const TIMEOUT_MS = process.platform === 'win32' ? 2000 : 400

export function line(type: string, payload: unknown): string {
  return `${JSON.stringify({ type, payload })}\n`
}

export function hello(more: object = {}): string {
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

export function pagedHello(more: object = {}): string {
  return hello({ sentinel: { version: 1 }, ...more })
}

export function ack(more: object = {}): string {
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

export function wire(id: string, more: object = {}): object {
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

export function page(facts: unknown, more: object = {}): string {
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

export function request(more: object = {}): string {
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

export type Case = readonly [what: string, lines: readonly string[], type: string, severity: Severity]

/** After the handshake, in either role. */
export const AFTER_HANDSHAKE: readonly Case[] = [
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
    'a page from another peer',
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
  ['an invalid fact', [page([wire('good'), 17])], 'bad-fact', 'error'],
  ['an unknown level', [page([wire('good'), wire('x', { level: 4 })])], 'bad-fact', 'error'],
  ['an invalid time', [page([wire('x', { created_at: '2026-13-45T99:99:99Z' })])], 'bad-fact', 'error'],
  ['an id that is too long', [page([wire('x'.repeat(257))])], 'bad-fact', 'error'],
  ['a gene flag that is a string', [page([wire('x', { is_gene: 'yes' })])], 'bad-fact', 'error'],
  ['facts that are not a list', [page({ length: 5 })], 'bad-page', 'error'],
  ['an invalid incident', [page([], { incidents: [{ id: 'i' }] })], 'bad-incident', 'error'],
  ['a payload that is not an object', [line('sync_payload', [])], 'bad-message', 'error'],
  ['a line that is not JSON', ['{"type":"sync_payload","payload":{]\n'], 'not-json', 'error'],
  ['another handshake', [hello()], 'unexpected-message', 'error'],
]

/** Where pages go both ways. */
export const IN_PAGES: readonly Case[] = [
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

/** Peers that only waste time. */
export const STALLING: readonly Case[] = [
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
