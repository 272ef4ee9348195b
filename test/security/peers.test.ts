// Who gets in, tried with real users. Needs root to become them.

import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { Child, startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { rejectionOf } from '../support/wait.js'

const root = process.getuid?.() === 0
const why = root ? '' : ' (skipped: needs root to act as other users)'
const ALICE = 23_456
const BOB = 23_457
const GROUP = 24_242
const UNMAPPED = 65_534

function directoryOf(uid: number): string {
  const directory = temporaryDirectory()
  chownSync(directory, uid, uid)
  return directory
}

async function listenAs(uid: number, directory: string, policy?: object, mode?: number): Promise<Child> {
  const child = startChild('endpoint', { role: 'listen', directory, policy, mode }, { uid, gid: uid })
  expect(await child.report()).toHaveProperty('listening')
  return child
}

describe.skipIf(!root)(`peers of other users${why}`, () => {
  it('admits a user that the policy names, and both sides see who the other one is', async () => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory, { users: [0] })
    const connection = await dial('test', { directory, policy: { users: [ALICE] } })
    expect(connection.peer).toMatchObject({ uid: ALICE, gid: ALICE, pid: listener.pid, groups: [] })
    expect(await listener.report()).toMatchObject({ accepted: { uid: 0, gid: 0, pid: process.pid } })
    connection.destroy()
  })

  it('refuses a user that it does not name before reading a byte, and says which rule decided', async () => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory)
    const socket = connect(join(directory, 'test.sock'))
    socket.on('error', () => undefined)
    socket.write('{"type":"soc_event"}\n')
    await new Promise((resolve) => socket.once('close', resolve).resume())
    expect(await listener.report()).toMatchObject({
      refused: { reason: 'not-listed', uid: 0, pid: process.pid, omitted: 0 },
    })
  })

  it('admits by supplementary group', async () => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory, { groups: [GROUP] }, 0o666)
    const order = { role: 'dial', directory, policy: { users: [ALICE] } }
    // Still root, so that the file system lets them reach the socket: only the groups differ.
    const without = startChild('endpoint', { ...order, become: { uid: 0, gid: 0, groups: [77] } })
    expect(await without.report()).toHaveProperty('dialled')
    expect(await listener.report()).toMatchObject({ refused: { reason: 'not-listed', groups: [77] } })
    const withIt = startChild('endpoint', { ...order, become: { uid: 0, gid: 0, groups: [77, GROUP] } })
    expect(await withIt.report()).toHaveProperty('dialled')
    expect(await listener.report()).toMatchObject({ accepted: { pid: withIt.pid, groups: [77, GROUP] } })
    expect(await listener.report()).toMatchObject({
      message: { payload: { from: withIt.pid } },
      peer: { pid: withIt.pid, uid: 0 },
    })
  })

  it('admits by the only supplementary group', async () => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory, { groups: [GROUP] }, 0o666)
    const become = { uid: 0, gid: 0, groups: [GROUP] }
    const client = startChild('endpoint', { role: 'dial', directory, policy: { users: [ALICE] }, become })
    expect(await client.report()).toHaveProperty('dialled')
    expect(await listener.report()).toMatchObject({ accepted: { pid: client.pid, gid: 0, groups: [GROUP] } })
  })

  it('does not take the primary group of a process for more than it is', async () => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory, { groups: [GROUP] }, 0o666)
    const order = { role: 'dial', directory, policy: { users: [ALICE] } }
    startChild('endpoint', { ...order, become: { uid: 0, gid: GROUP, groups: [] } })
    expect(await listener.report()).toMatchObject({ accepted: { gid: GROUP, groups: [] } })
  })

  it('refuses the listener of another user by default', async () => {
    const directory = directoryOf(ALICE)
    await listenAs(ALICE, directory, { users: [0] })
    expect(await rejectionOf(dial('test', { directory }))).toMatchObject({
      code: 'ERR_IPC_PEER_REJECTED',
      reason: 'not-listed',
    })
  })

  it('does not even let another user reach the socket', async () => {
    const directory = directoryOf(ALICE)
    chmodSync(directory, 0o755)
    await listenAs(ALICE, directory, { users: [BOB] }, 0o660)
    const order = { role: 'dial', directory, policy: { users: [ALICE] } }
    const bob = startChild('endpoint', { ...order, become: { uid: BOB, gid: BOB, groups: [] } })
    expect(await bob.report()).toMatchObject({
      failed: { code: 'ERR_IPC_ACCESS_DENIED', cause: 'EACCES' },
    })
  })

  it('refuses the unmapped user even where the policy names it', async () => {
    const directory = directoryOf(UNMAPPED)
    const listener = await listenAs(UNMAPPED, directory, { users: [UNMAPPED], groups: [UNMAPPED] }, 0o666)
    const order = { role: 'dial', directory, policy: { users: [UNMAPPED] } }
    const same = startChild('endpoint', { ...order, become: { uid: UNMAPPED, gid: UNMAPPED, groups: [] } })
    expect(await same.report()).toMatchObject({
      failed: { code: 'ERR_IPC_PEER_REJECTED', reason: 'unmapped-user' },
    })
    expect(await listener.report()).toMatchObject({ refused: { reason: 'unmapped-user', uid: UNMAPPED } })
  })
})

describe.skipIf(!root)(`the group of another user namespace${why}`, () => {
  const letsNobodyIn = async (become: { uid: number; gid: number; groups: number[] }): Promise<void> => {
    const directory = directoryOf(ALICE)
    const listener = await listenAs(ALICE, directory, { groups: [UNMAPPED, GROUP] }, 0o666)
    const order = { role: 'dial', directory, policy: { users: [ALICE] } }
    startChild('endpoint', { ...order, become })
    expect(await listener.report()).toMatchObject({ refused: { reason: 'not-listed' } })
    startChild('endpoint', { ...order, become: { ...become, groups: [...become.groups, GROUP] } })
    expect(await listener.report()).toMatchObject({ accepted: { uid: 0 } })
  }

  it('lets no peer in, as its primary one, even where the policy names it', () =>
    letsNobodyIn({ uid: 0, gid: UNMAPPED, groups: [] }))

  it('lets no peer in, as its supplementary one, even where the policy names it', () =>
    letsNobodyIn({ uid: 0, gid: 0, groups: [UNMAPPED] }))
})

const namespaces = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0
const whyNoNamespaces = namespaces ? '' : ' (skipped: needs unshare and the right to make pid namespaces)'

describe.skipIf(!namespaces)(`peers outside of the pid namespace${whyNoNamespaces}`, () => {
  it('are refused even where the policy names their user', async () => {
    const directory = temporaryDirectory()
    const listener = startChild(
      'endpoint',
      { role: 'listen', directory, policy: { users: [process.getuid?.()] } },
      { execPath: 'unshare', execArgv: ['--pid', '--fork', '--kill-child', process.execPath] },
    )
    expect(await listener.report()).toHaveProperty('listening')
    const connection = await dial('test', { directory })
    expect(await listener.report()).toMatchObject({ refused: { reason: 'foreign-process', pid: 0 } })
    await connection.whenClosed()
  })

  const outside = async (policy: object): Promise<unknown> => {
    const directory = temporaryDirectory()
    const listener = startChild(
      'endpoint',
      { role: 'listen', directory, mode: 0o666, policy: { users: [process.getuid?.()], ...policy } },
      { execPath: 'unshare', execArgv: ['--pid', '--fork', '--kill-child', process.execPath] },
    )
    expect(await listener.report()).toHaveProperty('listening')
    const connection = await dial('test', { directory })
    const said = await listener.report()
    connection.destroy()
    return said
  }

  it('are let in by user and group alone where the policy says so', async () => {
    const { accepted } = (await outside({ foreignNamespaces: 'by-uid' })) as { accepted: object }
    expect(accepted).toMatchObject({ pid: 0, uid: process.getuid?.(), gid: process.getgid?.() })
    expect(accepted).not.toHaveProperty('executable')
    expect(accepted).not.toHaveProperty('unit')
  })

  it.each([
    ['executables', { executables: [process.execPath] }, 'executable-unknown'],
    ['units', { units: ['soc-collector.service'] }, 'unit-unknown'],
    ['another user', { users: [0xffff_fff0] }, 'not-listed'],
  ])('are refused all the same where it asks for %s', async (_what, rules, reason) => {
    // The socket lets them reach it: the policy decides.
    const said = await outside({ foreignNamespaces: 'by-uid', ...rules })
    expect(said).toMatchObject({ refused: { reason, pid: 0 } })
  })
})

// systemd's own hierarchy, or the unified one.
const hierarchy = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((place) =>
  existsSync(join(place, 'cgroup.procs')),
)
const groups = root && hierarchy !== undefined
const whyNoGroups = groups ? '' : ' (skipped: needs root and a hierarchy of control groups)'

/** Starts a dialler in a control group of that path, and tells what the listener has to say of it. */
async function fromGroup(path: string, policy: object): Promise<unknown> {
  const place = join(hierarchy ?? '', path)
  mkdirSync(place, { recursive: true })
  const directory = temporaryDirectory()
  const listener = startChild('endpoint', { role: 'listen', directory, policy })
  expect(await listener.report()).toHaveProperty('listening')
  const move = `echo $$ > ${place}/cgroup.procs && exec "$@"`
  const dialler = startChild(
    'endpoint',
    { role: 'dial', directory },
    { execPath: 'sh', execArgv: ['-c', move, 'sh', process.execPath] },
  )
  const said = await listener.report()
  await dialler.kill()
  for (let below = path; below !== '.'; below = dirname(below)) {
    try {
      rmdirSync(join(hierarchy ?? '', below))
    } catch {
      break // others are still in it, or it was there before
    }
  }
  return said
}

describe.skipIf(!groups)(`units of systemd${whyNoGroups}`, () => {
  const unit = 'sentinel-test.service'

  it('are known, and let their processes in', async () => {
    expect(await fromGroup(`system.slice/${unit}`, { units: [unit] })).toMatchObject({ accepted: { unit } })
  })

  it('refuse another unit', async () => {
    expect(await fromGroup('system.slice/sentinel-other.service', { units: [unit] })).toMatchObject({
      refused: { reason: 'unit-not-listed', unit: 'sentinel-other.service' },
    })
  })

  it('refuse a name that a unit gives to a group of its own below it', async () => {
    expect(await fromGroup(`user.slice/sentinel-user.service/${unit}`, { units: [unit] })).toMatchObject({
      refused: { reason: 'unit-not-listed', unit: 'sentinel-user.service' },
    })
  })

  it('refuse a process of none', async () => {
    expect(await fromGroup('sentinel-test-no-unit', { units: [unit] })).toMatchObject({
      refused: { reason: 'unit-unknown' },
    })
  })
})

describe.skipIf(!root)(`addresses that other users could touch${why}`, () => {
  it('refuses a directory that belongs to another user', async () => {
    const error = await rejectionOf(listen('test', { directory: directoryOf(ALICE) }))
    expect(error).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect((error as Error).message).toContain(`belongs to user ${ALICE}`)
  })

  it('is not fooled by a socket that another user put there first', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o1777)
    const squatter = await listenAs(ALICE, directory, { users: [0] })
    expect(await rejectionOf(dial('test', { directory }))).toMatchObject({ code: 'ERR_IPC_PEER_REJECTED' })
    const inUse = await rejectionOf(listen('test', { directory }))
    expect(['ERR_IPC_UNSAFE_PATH', 'ERR_IPC_ADDRESS_IN_USE']).toContain((inUse as { code: string }).code)
    await squatter.kill()
    // Dead or not: what belongs to another user is not ours to remove.
    const stale = await rejectionOf(listen('test', { directory }))
    expect(['ERR_IPC_UNSAFE_PATH', 'ERR_IPC_ADDRESS_IN_USE']).toContain((stale as { code: string }).code)
    // The lock alone must not decide that.
    rmSync(join(directory, 'test.sock.lock'))
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject({ code: 'ERR_IPC_ADDRESS_IN_USE' })
    expect(lstatSync(join(directory, 'test.sock')).uid).toBe(ALICE)
  })

  it('follows no link of another user', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o1777)
    const { symlinkSync, lchownSync, mkdirSync } = await import('node:fs')
    mkdirSync(join(directory, 'ours'), { mode: 0o700 })
    symlinkSync('ours', join(directory, 'theirs'))
    lchownSync(join(directory, 'theirs'), ALICE, ALICE)
    const error = await rejectionOf(listen('test', { directory: join(directory, 'theirs') }))
    expect(error).toMatchObject({ code: 'ERR_IPC_UNSAFE_PATH' })
    expect((error as Error).message).toContain(`symbolic link`)
  })
})
