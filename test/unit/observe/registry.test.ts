// The registry of live objects: what it lists, and that it keeps nothing alive.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'

import { Latency } from '../../../lib/observe/latency.js'
import {
  forget,
  forgetConnection,
  observe,
  observeConnection,
  observedConnections,
  observedObjects,
  observeOn,
} from '../../../lib/observe/registry.js'
import { until } from '../../support/wait.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const objects = (): object[] => [...observedObjects()].map(({ object }) => object)

describe('the registry', () => {
  it('lists objects until they are closed', () => {
    const [one, other] = [{ stats: {} }, { stats: {} }]
    observe('server', one)
    observe('listener', other)
    expect(objects()).toEqual([one, other])
    forget(one)
    expect([...observedObjects()]).toMatchObject([{ kind: 'listener', object: other }])
    forget(other)
  })

  it('keeps no object alive, closed or not', async () => {
    for (let i = 0; i < 1000; ++i) observe('acknowledged-sender', { stats: { i } })
    // What was made in this turn stays alive until it ends (WeakRef).
    await new Promise((resolve) => setTimeout(resolve, 0))
    await until(() => {
      collectGarbage()
      return objects().length < 10
    })
    expect(objects().length).toBeLessThan(10)
  })

  it('lists connections with their parts until they end, and ignores parts after that', () => {
    const connection = { id: 7 }
    observeConnection(connection)
    class Part {
      readonly stats = { received: 1 }
    }
    class OtherPart extends Part {}
    const [part, other] = [new Part(), new OtherPart()]
    observeOn(connection, 'receiver', part)
    observeOn(connection, 'writer', other)
    const [entry] = [...observedConnections()]
    expect(entry?.connection).toBe(connection)
    expect(entry?.parts).toEqual([
      { kind: 'receiver', object: part },
      { kind: 'writer', object: other },
    ])
    forgetConnection(connection)
    observeOn(connection, 'receiver', part)
    expect([...observedConnections()]).toEqual([])
  })
})

describe('Latency', () => {
  it('gives percentiles within 10 %', () => {
    const latency = new Latency()
    expect(latency.stats).toEqual({ count: 0, p50: 0, p99: 0, max: 0 })
    for (let ms = 1; ms <= 1000; ++ms) latency.add(ms)
    const { count, p50, p99, max } = latency.stats
    expect([count, max]).toEqual([1000, 1000])
    expect(p50 / 500).toBeGreaterThan(0.9)
    expect(p50 / 500).toBeLessThan(1.1)
    expect(p99 / 990).toBeGreaterThan(0.9)
    expect(p99 / 990).toBeLessThan(1.1)
  })

  it('counts durations that are shorter or longer than any bucket', () => {
    const latency = new Latency()
    latency.add(0)
    latency.add(1e9)
    expect(latency.stats).toMatchObject({ count: 2, max: 1e9 })
    expect(latency.stats.p50).toBeLessThan(0.01)
  })
})
