// Options of the swarm: an unknown one is named with the nearest, and one of the wrong kind is refused at once.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { MemoryFactStore } from '../../../lib/swarm/facts/memory-fact-store.js'
import { PeerRegistry } from '../../../lib/swarm/peers/peer-registry.js'
import { SwarmTransport } from '../../../lib/swarm/transport.js'
import { rejectionOf } from '../../support/wait.js'

const store = new MemoryFactStore()
const registry = new PeerRegistry('n')
const options = { directory: join(tmpdir(), 'never-made'), store, registry, genomeHash: '' }

function messageOf(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

/** Passes any object, as a program in JavaScript could. */
function misspelt(given: object): never {
  return given as never
}

describe('an option that does not exist', () => {
  it.each<[string, () => unknown]>([
    [
      'SwarmTransport has no option "genomHash"; did you mean genomeHash?',
      () => new SwarmTransport(misspelt({ ...options, genomHash: '' })),
    ],
    [
      'SwarmTransport has no option "exchangeTimeout"; did you mean exchangeTimeoutMs?',
      () => new SwarmTransport(misspelt({ ...options, exchangeTimeout: 5 })),
    ],
    [
      'PeerRegistry has no option "peerTimeout"; did you mean peerTimeoutMs?',
      () => new PeerRegistry('n', misspelt({ peerTimeout: 5 })),
    ],
    [
      'MemoryFactStore has no option "maxFact"; did you mean maxFacts?',
      () => new MemoryFactStore(misspelt({ maxFact: 5 })),
    ],
  ])('%s', (text, make) => {
    expect(messageOf(make)).toBe(text)
  })

  it('is refused by listen, dial and open too', async () => {
    const transport = new SwarmTransport(options)
    const unknown = { name: 'TypeError', message: expect.stringContaining('did you mean signal?') as string }
    expect(await rejectionOf(transport.listen(misspelt({ signals: [] })))).toMatchObject(unknown)
    expect(await rejectionOf(transport.dial(misspelt({ signals: [] })))).toMatchObject(unknown)
    expect(await rejectionOf(PeerRegistry.open('n', misspelt({ storages: {} })))).toMatchObject({
      message: expect.stringContaining('did you mean storage?') as string,
    })
  })
})

describe('an option of the wrong kind', () => {
  it.each<[string, object]>([
    ['SwarmTransport: registry must be a PeerRegistry, not a plain object', { registry: {} }],
    ['SwarmTransport: store must be a FactStore, not a plain object', { store: { get: () => undefined } }],
    ['SwarmTransport: alerts must be an AlertBus, not a function', { alerts: () => undefined }],
    ['SwarmTransport: reclaimAddress must be true or false, not "yes"', { reclaimAddress: 'yes' }],
    ['SwarmTransport: sharedDirectory must be true or false, not 1', { sharedDirectory: 1 }],
    ['SwarmTransport: store is required', { store: undefined }],
    ['SwarmTransport: directory is required', { directory: undefined }],
  ])('%s', (text, given) => {
    expect(messageOf(() => new SwarmTransport(misspelt({ ...options, ...given })))).toBe(text)
  })

  it('of a registry is refused', () => {
    expect(messageOf(() => new PeerRegistry('n', misspelt({ storage: {} })))).toContain('RegistryStorage')
    expect(messageOf(() => new PeerRegistry('n', { selfId: 'x' }))).toContain('24 hex digits')
    expect(messageOf(() => new PeerRegistry('n', misspelt({ now: 5 })))).toContain('a function')
    expect(() => new PeerRegistry('n', { peerTimeoutMs: 0 })).toThrow(RangeError)
  })
})
