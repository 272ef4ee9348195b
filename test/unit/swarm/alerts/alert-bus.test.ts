// The alert bus: its ring, subscribers and severities.

import { describe, expect, it } from 'vitest'

import { AlertBus, limitAlerts, type Alert, type Severity } from '../../../../lib/swarm/alerts/alert-bus.js'
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

  it('is not broken by a subscriber that throws, rejects or never returns, and the others get every alert', async () => {
    const bus = new AlertBus(8)
    const throwing = bus.subscribe(() => {
      throw new Error('on\npurpose')
    })
    const rejecting = bus.subscribe(() => Promise.reject(new Error('on purpose')))
    const stuck = bus.subscribe(() => new Promise(() => undefined))
    const heard: string[] = []
    bus.subscribe(({ type }) => heard.push(type))
    const tests = (): number => heard.filter((type) => type === 'test').length
    for (let i = 0; i < 5; ++i) bus.emit(alert(String(i)))
    await until(() => tests() === 5 && throwing.failed >= 5 && rejecting.failed >= 5)
    for (let i = 0; i < 5; ++i) bus.emit(alert(String(i)))
    await until(() => tests() === 10)
    expect(stuck.dropped).toBeGreaterThanOrEqual(1)
    // Each failing listener is reported once, not once a failure.
    expect(heard.filter((type) => type === 'listener-failed')).toHaveLength(2)
    const report = bus.recent().find(({ type }) => type === 'listener-failed')
    expect(report ?? { message: 'an alert listener threw: on' }).toMatchObject({
      message: expect.stringMatching(/^an alert listener threw: on[ -~]*$/) as string,
    })
    expect(throwing.lastError).toEqual(new Error('on\npurpose'))
  })

  it('reports a listener again when it fails after it had succeeded', async () => {
    const bus = new AlertBus()
    let calls = 0
    bus.subscribe(() => {
      if (++calls !== 2) throw new Error('on purpose')
    })
    for (let i = 0; i < 4; ++i) bus.emit(alert('x'))
    await until(() => calls === 4)
    await until(() => bus.recent().filter(({ type }) => type === 'listener-failed').length === 2)
  })

  it('lets the event loop go on while a listener raises alerts itself', async () => {
    const bus = new AlertBus()
    let calls = 0
    const endless = bus.subscribe(() => {
      ++calls
      bus.emit(alert('again'))
    })
    bus.emit(alert('first'))
    await until(() => calls > 100)
    endless.unsubscribe()
  })

  it('calls a listener no more once it has unsubscribed itself', async () => {
    const bus = new AlertBus()
    let calls = 0
    const once = bus.subscribe(() => {
      ++calls
      once.unsubscribe()
    })
    bus.emit(alert('a'))
    bus.emit(alert('b'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(calls).toBe(1)
  })

  it('gives all listeners alerts that none of them can change', async () => {
    const bus = new AlertBus()
    const errors: unknown[] = []
    bus.subscribe((raised) => {
      try {
        ;(raised.counts as Record<string, number>)['n'] = 2
      } catch (error) {
        errors.push(error)
      }
    })
    bus.emit({ ...alert('a'), counts: { n: 1 } })
    await until(() => errors.length === 1)
    expect(bus.recent()).toMatchObject([{ counts: { n: 1 } }])
  })

  it.each([0, -1, 1.5, NaN])('refuses the capacity %d', (capacity) => {
    expect(() => new AlertBus(capacity)).toThrow(RangeError)
  })
})

describe('limitAlerts', () => {
  it('passes on 16 alerts a second of one type and user, and counts the others', () => {
    const passed: Alert[] = []
    const emit = limitAlerts((raised) => passed.push(raised))
    for (let i = 0; i < 40; ++i) emit(alert('x'))
    emit({ ...alert('x'), type: 'another' })
    expect(passed.map(({ type }) => type)).toEqual([...Array<string>(16).fill('test'), 'another'])
  })

  it('does not grow with the types and users that there are', () => {
    let passed = 0
    const emit = limitAlerts(() => ++passed)
    for (let uid = 0; uid < 5000; ++uid) emit({ ...alert('x'), type: `type-${uid}` })
    // 1024 windows of their own, and one for all others.
    expect(passed).toBe(1024 + 16)
  })
})
