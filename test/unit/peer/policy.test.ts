// Policies: which names are looked up, which policies are refused, and what a refusal says.

import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'

import { explainRefusal, resolvePolicy, type PeerPolicy } from '../../../lib/peer/policy.js'

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
    ['a unit without a kind', { units: ['soc-collector'] }],
    ['a path as a unit', { units: ['/system.slice/soc-collector.service'] }],
    ['no unit at all', { units: [] }],
    ['a label that is no text', { labels: [1] as unknown as string[] }],
    ['another way to treat namespaces', { foreignNamespaces: true as unknown as 'by-uid' }],
  ])('refuses %s', (_what, policy) => {
    expect(() => resolvePolicy(policy)).toThrow(TypeError)
  })
})

describe('resolvePolicy, of a misspelt key', () => {
  it.each([
    ['user', 'users'],
    ['exectuables', 'executables'],
    ['unit', 'units'],
    ['foreignNamespace', 'foreignNamespaces'],
  ])('%s names the nearest one', (key, nearest) => {
    expect(() => resolvePolicy({ [key]: ['x'] })).toThrow(
      `policy has no option "${key}"; did you mean ${nearest}?`,
    )
  })

  it('does not overlook an inherited one', () => {
    expect(() => resolvePolicy(Object.create({ user: ['root'] }) as PeerPolicy)).toThrow(TypeError)
  })

  it('takes a policy of another realm', () => {
    const policy = runInNewContext('({ users: [12345], units: ["a.service"] })') as PeerPolicy
    expect(resolvePolicy(policy)).toMatchObject({ units: ['a.service'], foreignNamespaces: false })
    expect([...resolvePolicy(policy).users]).toEqual([12345])
  })
})

describe('explainRefusal', () => {
  it('says what to do about a peer of another namespace', () => {
    expect(explainRefusal('foreign-process')).toContain("policy.foreignNamespaces to 'by-uid'")
    expect(explainRefusal('unmapped-user')).toContain('has no id in the user namespace of this process')
    expect(explainRefusal('not-listed')).toBe('')
  })
})
