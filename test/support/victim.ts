// A node under attack by hostile peers: its state before, and the alert that it must raise.

import { expect } from 'vitest'

import type { Severity } from '../../lib/swarm/alerts/alert-bus.js'
import { fact, facts, GENOME, idsOf, node, type Node } from './facts.js'
import { self, selfText } from './platform.js'
import { TIMEOUT_MS } from './hostile-lines.js'

export async function victim(directory: string): Promise<{ ours: Node; unchanged: () => Promise<void> }> {
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

export function expectAlert(ours: Node, type: string, severity: Severity): void {
  expect(ours.alerts.recent()).toMatchObject([{ type, severity, peer: self }])
  const [alert] = ours.alerts.recent()
  expect(alert?.message).toContain(selfText)
  expect(alert?.message).toMatch(/^[\x20-\x7e]*$/)
}
