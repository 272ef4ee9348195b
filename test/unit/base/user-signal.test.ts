// Signals for user code: a listener that throws is reported, and stops neither the others nor the process.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { addAbortListener } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { userAbortController } from '../../../lib/base/user-signal.js'
import { rejectionOf } from '../../support/wait.js'

const thrown = new Error('mine')
let reported: unknown[]

beforeEach(() => {
  reported = []
  const onError = (event: unknown): void => {
    reported.push(event)
  }
  subscribe('sentinel-ipc:user-error', onError)
  onTestFinished(() => {
    unsubscribe('sentinel-ipc:user-error', onError)
  })
})

describe('the signal of userAbortController', () => {
  it('reports what listeners of any kind throw, and calls the others', () => {
    const controller = userAbortController('signal of x')
    const { signal } = controller
    const called: string[] = []
    const thrower = (name: string) => (): void => {
      called.push(name)
      throw thrown
    }
    signal.addEventListener('abort', thrower('function'))
    signal.addEventListener('abort', { handleEvent: thrower('object') })
    signal.onabort = thrower('onabort')
    signal.addEventListener('abort', () => called.push('last'), { once: true })
    controller.abort('reason')
    expect(called).toEqual(['function', 'object', 'onabort', 'last'])
    expect(reported).toEqual(Array.from({ length: 3 }, () => ({ callback: 'signal of x', error: thrown })))
    expect(signal.reason).toBe('reason')
  })

  it('forgets listeners that are removed or replaced', () => {
    const controller = userAbortController('x')
    const { signal } = controller
    const called: string[] = []
    const removed = (): void => {
      called.push('removed')
    }
    signal.addEventListener('abort', removed)
    signal.removeEventListener('abort', removed)
    signal.onabort = removed
    signal.onabort = () => called.push('kept')
    expect(signal.onabort).toBeTypeOf('function')
    controller.abort()
    expect(called).toEqual(['kept'])
  })

  it('works for what Node waits for', async () => {
    const controller = userAbortController('x')
    const slept = rejectionOf(sleep(60_000, undefined, { signal: controller.signal }))
    let heard = false
    addAbortListener(controller.signal, () => (heard = true))
    const any = AbortSignal.any([controller.signal])
    controller.abort()
    expect(await slept).toMatchObject({ name: 'AbortError' })
    expect([heard, any.aborted]).toEqual([true, true])
  })
})
