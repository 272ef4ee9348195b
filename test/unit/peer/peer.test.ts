// Policies and identities: what is looked up, and what is refused.

import { describe, expect, it } from 'vitest'

import { resolvePolicy, toPeerIdentity, type PeerPolicy } from '../../../lib/peer/peer.js'

const ownUid = process.geteuid?.() ?? -1

describe('resolvePolicy', () => {
  it('means this user when nothing is said', () => {
    expect([...resolvePolicy(undefined).users]).toEqual([ownUid])
    expect([...resolvePolicy({}).users]).toEqual([ownUid])
    expect(resolvePolicy(undefined).groups).toHaveLength(0)
  })

  it('looks names up and keeps numbers', () => {
    const policy = resolvePolicy({ users: ['root', 12345], groups: ['root'] })
    expect([...policy.users]).toEqual([0, 12345])
    expect([...policy.groups]).toEqual([0])
  })

  it.each<[string, PeerPolicy]>([
    ['a user that does not exist', { users: ['no-such-user-here'] }],
    ['a group that does not exist', { groups: ['no-such-group-here'] }],
    ['a misspelt key', { user: ['root'] } as PeerPolicy],
    ['nobody', { users: [] }],
    ['a negative id', { users: [-1] }],
    ['the id that means none', { users: [0xffff_ffff] }],
    ['a fraction', { groups: [1.5] }],
    ['something else', { users: [{}] as unknown as string[] }],
    ['no array', { users: 'root' as unknown as string[] }],
  ])('refuses %s', (_what, policy) => {
    expect(() => resolvePolicy(policy)).toThrow(TypeError)
  })
})

describe('toPeerIdentity', () => {
  it('is frozen, with its groups', () => {
    const peer = toPeerIdentity({ pid: 1, uid: 2, gid: 3, groups: [4], executable: '', label: '', sid: '' })
    expect(peer).toEqual({ pid: 1, uid: 2, gid: 3, groups: [4] })
    expect(Object.isFrozen(peer) && Object.isFrozen(peer.groups)).toBe(true)
  })

  it('refuses an identity without a user', () => {
    expect(() =>
      toPeerIdentity({ pid: 1, uid: null, gid: 3, groups: [], executable: '', label: '', sid: '' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_IPC_PEER_UNKNOWN' }))
  })
})
