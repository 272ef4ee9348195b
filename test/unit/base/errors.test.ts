// IpcError: its codes and details, and recognising it across copies of the package and realms.

import { runInNewContext } from 'node:vm'
import { describe, expect, expectTypeOf, it } from 'vitest'

import type { IpcErrorReason, RejectionReason, RemoteErrorCode } from '../../../lib/base/error-reasons.js'
import {
  abortedError,
  describeError,
  hasCode,
  IpcError,
  isError,
  isIpcError,
  toError,
  type RemoteError,
} from '../../../lib/base/errors.js'
import type { BridgeDeadLetter, DeadLetterReason } from '../../../lib/bridge/bridge.js'
import type { DeadLetter, SendResult } from '../../../lib/delivery/index.js'

describe('IpcError', () => {
  it('is an Error with a code and a name', () => {
    const error = new IpcError('ERR_IPC_CLOSED', 'closed')
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe('IpcError')
    expect(error.code).toBe('ERR_IPC_CLOSED')
    expect(error.stack).toContain('IpcError: closed')
  })

  it('carries only the details that it has', () => {
    expect(Object.keys(new IpcError('ERR_IPC_CLOSED', 'x'))).toEqual(['code'])
    const cause = new Error('why')
    expect(
      new IpcError('ERR_IPC_CLOSED', 'x', { cause, reason: 'hole', offset: 0, sample: '' }),
    ).toMatchObject({
      cause,
      reason: 'hole',
      offset: 0,
      sample: '',
    })
  })

  it('has a closed set of reasons, so that a misspelt one does not compile', () => {
    const { reason } = new IpcError('ERR_IPC_CLOSED', 'x', { reason: 'too-many-invalid' })
    expectTypeOf(reason).toEqualTypeOf<IpcErrorReason | undefined>()
    // @ts-expect-error: there is no such reason
    expect(reason === 'to-many-invalid').toBe(false)
    // @ts-expect-error: nor may one be made up
    expect(new IpcError('ERR_IPC_CLOSED', 'x', { reason: 'made-up' }).code).toBe('ERR_IPC_CLOSED')
  })

  it('lists what our own ends say beside what a peer may say, in reasons and codes that cross a connection', () => {
    expectTypeOf<'max-deliveries' | 'too-large'>().toExtend<RejectionReason>()
    expectTypeOf<RejectionReason>().not.toEqualTypeOf<string>()
    expectTypeOf<SendResult['reason']>().toEqualTypeOf<RejectionReason | undefined>()
    expectTypeOf<DeadLetter['reason']>().toEqualTypeOf<RejectionReason>()
    expectTypeOf<BridgeDeadLetter['reason']>().toEqualTypeOf<DeadLetterReason>()
    expectTypeOf<RemoteError['code']>().toEqualTypeOf<RemoteErrorCode>()
    expectTypeOf<RemoteErrorCode>().not.toEqualTypeOf<string>()
    // A peer's own text is one too, and all of them are strings.
    const text: RejectionReason = 'no such rule'
    expect(text).toBe('no such rule')
    expectTypeOf<RejectionReason>().toExtend<string>()
  })

  it('tells codes apart', () => {
    const error = new IpcError('ERR_IPC_TIMEOUT', 'late')
    expect(hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')).toBe(true)
    expect(hasCode(error, 'ERR_IPC_CLOSED')).toBe(false)
    expect(hasCode(new Error('other'), 'ERR_IPC_CLOSED')).toBe(false)
  })

  it('makes the reason of an abort its cause', () => {
    const reason = new Error('enough')
    expect(abortedError(AbortSignal.abort(reason), 'wait')).toMatchObject({
      code: 'ERR_IPC_ABORTED',
      cause: reason,
    })
  })
})

describe('IpcError of another copy of the package', () => {
  it('is recognised, with its code', async () => {
    const path = '../../../lib/base/errors.js?copy'
    const copy = (await import(path)) as typeof import('../../../lib/base/errors.js')
    expect(copy.IpcError).not.toBe(IpcError)
    const error = new copy.IpcError('ERR_IPC_TIMEOUT', 'late')
    expect(error).toBeInstanceOf(IpcError)
    expect(isIpcError(error)).toBe(true)
    expect(hasCode(error, 'ERR_IPC_TIMEOUT')).toBe(true)
  })

  it('leaves instanceof of subclasses as it is', () => {
    class Special extends IpcError {}
    expect(new Special('ERR_IPC_CLOSED', 'x')).toBeInstanceOf(IpcError)
    expect(new Special('ERR_IPC_CLOSED', 'x')).toBeInstanceOf(Special)
    expect(new IpcError('ERR_IPC_CLOSED', 'x')).not.toBeInstanceOf(Special)
    expect({ code: 'ERR_IPC_CLOSED' }).not.toBeInstanceOf(IpcError)
    expect(null as unknown).not.toBeInstanceOf(IpcError)
  })
})

describe('isError', () => {
  it('knows errors of other realms and the reasons of signals', () => {
    const foreign: unknown = runInNewContext('new RangeError("far")')
    expect(foreign).not.toBeInstanceOf(Error)
    expect(isError(foreign)).toBe(true)
    expect(isError(AbortSignal.abort().reason)).toBe(true)
    expect(isError({ message: 'x' })).toBe(false)
    expect(isError('x')).toBe(false)
    expect(toError(foreign)).toBe(foreign)
    expect(toError('plain text').message).toBe('plain text')
    expect(describeError(Object.create(null))).toBe('a value that cannot become text')
    expect(describeError(Object.assign(new Error(), { message: 5 }))).toBe('5')
    expect(describeError(Object.assign(new Error(), { message: undefined }))).toBe('undefined')
  })
})
