// The alert bus: its ring, subscribers and severities.

import { describe, expect, it } from 'vitest'

import { AlertBus, type Severity } from '../../../../lib/swarm/alerts/alert-bus.js'
import { until } from '../../../support/wait.js'

function alert(message: string, severity: Severity = 'info') {
  return { severity, type: 'test', message }
}

describe('AlertBus', () => {
  it('keeps the newest, newest first', () => {
    const bus = new AlertBus(3)
    expect(bus.recent()).toEqual([])
    for (const message of ['a', 'b', 'c', 'd', 'e']) bus.emit(alert(message))
    expect(bus.recent().map(({ message }) => message)).toEqual(['e', 'd', 'c'])
    expect(bus.recent(2).map(({ message }) => message)).toEqual(['e', 'd'])
    expect(bus.recent(99)).toHaveLength(3)
    expect(bus.emitted).toBe(5)
    expect(bus.recent(1)[0]?.at).toBeInstanceOf(Date)
  })

  it('knows the worst of the newest', () => {
    const bus = new AlertBus()
    expect(bus.maxSeverity()).toBeUndefined()
    for (const severity of ['warning', 'critical', 'info', 'error'] as const) bus.emit(alert('x', severity))
    expect([bus.maxSeverity(), bus.maxSeverity(2), bus.maxSeverity(3)]).toEqual([
      'critical',
      'error',
      'critical',
    ])
  })

  it('runs no subscriber before emit has returned', async () => {
    const bus = new AlertBus()
    const seen: string[] = []
    const subscription = bus.subscribe(({ message }) => seen.push(message))
    bus.emit(alert('a'))
    bus.emit(alert('b'))
    expect(seen).toEqual([])
    await until(() => seen.length === 2)
    subscription.unsubscribe()
    bus.emit(alert('c'))
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(seen).toEqual(['a', 'b'])
  })

  it('is not broken by a subscriber that throws, rejects or never ends, and the others hear everything', async () => {
    const bus = new AlertBus(5)
    const throwing = bus.subscribe(() => {
      throw new Error('on purpose')
    })
    const rejecting = bus.subscribe(() => Promise.reject(new Error('on purpose')))
    const stuck = bus.subscribe(() => new Promise(() => undefined))
    let heard = 0
    bus.subscribe(() => ++heard)
    for (let i = 0; i < 5; ++i) bus.emit(alert(String(i)))
    await until(() => heard === 5 && throwing.failed === 5 && rejecting.failed === 5)
    for (let i = 0; i < 5; ++i) bus.emit(alert(String(i)))
    await until(() => heard === 10)
    expect(stuck.dropped).toBe(4)
  })

  it.each([0, -1, 1.5, NaN])('refuses the capacity %d', (capacity) => {
    expect(() => new AlertBus(capacity)).toThrow(RangeError)
  })
})
