// Waiting on abort signals: one listener a signal, whatever waits on it.

import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'

import { abortable, offAbort, onAbort } from '../../../lib/base/abort.js'
import { pause } from '../../../lib/base/timing.js'
import { rejectionOf } from '../../support/wait.js'

describe('onAbort', () => {
  it('puts one listener on a signal, however many waits share it, and takes it off after the last', () => {
    const { signal } = new AbortController()
    const callbacks = Array.from({ length: 30 }, () => () => undefined)
    for (const callback of callbacks) onAbort(signal, callback)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    for (const callback of callbacks) offAbort(signal, callback)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('calls each once, in order, but not one that an earlier one has taken back', () => {
    const controller = new AbortController()
    const calls: number[] = []
    const third = (): void => void calls.push(3)
    onAbort(controller.signal, () => void calls.push(1))
    onAbort(controller.signal, () => {
      calls.push(2)
      offAbort(controller.signal, third)
    })
    onAbort(controller.signal, third)
    controller.abort()
    controller.abort()
    expect(calls).toEqual([1, 2])
  })
})

describe('abortable', () => {
  it('undoes the wait when the signal fires, and rejects with its reason as the cause', async () => {
    const controller = new AbortController()
    let undone = 0
    const wait = abortable(controller.signal, 'accept', () => () => {
      ++undone
    })
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await rejectionOf(wait)).toMatchObject({ code: 'ERR_IPC_ABORTED', cause: reason })
    expect(undone).toBe(1)
  })

  it('leaves no listener behind, not even when the wait ends at once', async () => {
    const { signal } = new AbortController()
    expect(
      await abortable<number>(signal, 'accept', (resolve) => {
        resolve(7)
        return () => undefined
      }),
    ).toBe(7)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('does not start when the signal has fired', async () => {
    let started = false
    const wait = abortable(AbortSignal.abort(), 'accept', () => {
      started = true
      return () => undefined
    })
    expect(await rejectionOf(wait)).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect(started).toBe(false)
  })
})

describe('pause', () => {
  it('can be withdrawn', async () => {
    const controller = new AbortController()
    const waiting = rejectionOf(pause(60_000, controller.signal, 'wait'))
    controller.abort()
    expect(await waiting).toMatchObject({ code: 'ERR_IPC_ABORTED', message: 'wait was aborted' })
  })
})
