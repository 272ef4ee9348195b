// How the audit channels call their subscribers.

import { describe, expect, it } from 'vitest'

import { publishDrop, type DropEvent } from '../../../lib/connection/audit.js'
import { IpcError } from '../../../lib/base/errors.js'
import { heard } from '../../support/audit.js'

describe('an audit channel', () => {
  it('calls subscribers in a microtask of their own, in the order of the events', async () => {
    const events = heard<DropEvent>('sentinel-ipc:drop')
    const peer = { pid: 1, uid: 1, gid: 1, groups: [] }
    const error = new IpcError('ERR_IPC_CLOSED', 'closed')
    publishDrop({ address: 'a', peer, count: 1, error })
    publishDrop({ address: 'a', peer, count: 2, error })
    expect(events).toEqual([])
    await Promise.resolve()
    expect(events.map(({ count }) => count)).toEqual([1, 2])
  })
})
