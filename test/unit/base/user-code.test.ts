// Calling user code: in a microtask of its own, with what it throws reported.

import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'

import { callUser, reportUserError, type UserErrorEvent } from '../../../lib/base/user-code.js'
import { heard } from '../../support/audit.js'

describe('callUser', () => {
  it('calls in a microtask of its own, in order, with the values', async () => {
    const calls: unknown[] = []
    callUser('a', (...values: unknown[]) => calls.push(values), 1, 'x')
    callUser('b', () => calls.push('b'))
    expect(calls).toEqual([])
    await Promise.resolve()
    expect(calls).toEqual([[1, 'x'], 'b'])
  })

  it('publishes what a callback throws, or its promise rejects with, and calls the next one', async () => {
    const events = heard<UserErrorEvent>('sentinel-ipc:user-error')
    const thrown = new Error('thrown')
    const late = new Error('late')
    let called = false
    callUser('onDrop', () => {
      throw thrown
    })
    callUser('onEvent', () => Promise.reject(late))
    callUser('next', () => {
      called = true
    })
    await new Promise(setImmediate)
    expect(events).toEqual([
      { callback: 'onDrop', error: thrown },
      { callback: 'onEvent', error: late },
    ])
    expect(called).toBe(true)
  })

  it('becomes one warning a second where nothing subscribes', async () => {
    expect(channel('sentinel-ipc:user-error').hasSubscribers).toBe(false)
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => {
      warnings.push(warning)
    }
    process.on('warning', onWarning)
    const first = once(process, 'warning')
    for (let i = 0; i < 100; ++i) {
      callUser('onFlood', () => {
        throw new Error(`number ${i}`)
      })
    }
    await first
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    expect(warnings.map(({ name, message }) => [name, message])).toEqual([
      ['SentinelIpcWarning', 'onFlood threw: number 0'],
    ])
  })

  it('survives a thrown value that cannot become text', () => {
    expect(() => {
      reportUserError('odd', Object.create(null))
    }).not.toThrow()
  })
})
