// Identities of peers: what an identity holds, and which are refused.

import { describe, expect, it } from 'vitest'

import { toPeerIdentity } from '../../../lib/peer/peer.js'

describe('toPeerIdentity', () => {
  it('is frozen, with its groups', () => {
    const peer = toPeerIdentity({
      pid: 1,
      uid: 2,
      gid: 3,
      groups: [4],
      executable: '',
      unit: '',
      label: '',
      sid: '',
    })
    expect(peer).toEqual({ pid: 1, uid: 2, gid: 3, groups: [4] })
    expect(Object.isFrozen(peer) && Object.isFrozen(peer.groups)).toBe(true)
  })

  it('refuses an identity without a user', () => {
    expect(() =>
      toPeerIdentity({ pid: 1, uid: null, gid: 3, groups: [], executable: '', unit: '', label: '', sid: '' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_IPC_PEER_UNKNOWN' }))
  })
})
