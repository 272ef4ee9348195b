import { describe, expect, it } from 'vitest'

import { abortedError, hasCode, IpcError } from '../../../lib/base/errors.js'

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
    expect(new IpcError('ERR_IPC_CLOSED', 'x', { cause, reason: 'r', offset: 0, sample: '' })).toMatchObject({
      cause,
      reason: 'r',
      offset: 0,
      sample: '',
    })
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
