// Pauses become events at a bounded rate, and one that lasts is always reported.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'

import { Pauses } from '../../../lib/observe/pauses.js'
import { until } from '../../support/wait.js'

function watched(): { pauses: Pauses; events: string[] } {
  const events: string[] = []
  const pauses = new Pauses({
    onPaused: () => events.push('paused'),
    onResumed: (pausedMs, count) => {
      expect(pausedMs).toBeGreaterThanOrEqual(0)
      events.push(`resumed ${count}`)
    },
  })
  return { pauses, events }
}

describe('Pauses', () => {
  it('reports the first pause at once, and those shortly after it as a number', async () => {
    const { pauses, events } = watched()
    for (let i = 0; i < 1000; ++i) {
      pauses.begin()
      pauses.end()
    }
    expect(events).toEqual(['paused', 'resumed 1'])
    await sleep(110)
    pauses.begin()
    pauses.end()
    expect(events.slice(2)).toEqual(['paused', 'resumed 1000'])
  })

  it('reports a pause that lasts, however shortly after another it began', async () => {
    const { pauses, events } = watched()
    pauses.begin()
    pauses.end()
    pauses.begin()
    pauses.begin()
    expect(events).toHaveLength(2)
    await until(() => events.length === 3)
    pauses.end()
    pauses.end()
    expect(events).toEqual(['paused', 'resumed 1', 'paused', 'resumed 1'])
  })
})
