// Files, links and directories of other users where an address stands, or a spool, a fact store or a peer registry, tried
// with real ones. Needs root to become them.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { LmdbFactStore } from '../../lib/lmdb/fact-store.js'
import { Spool } from '../../lib/spool/spool.js'
import { PeerRegistry } from '../../lib/swarm/peers/peer-registry.js'
import { FileRegistryStorage } from '../../lib/swarm/peers/registry-storage.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { rejectionOf, until } from '../support/wait.js'

const root = process.getuid?.() === 0
const why = root ? '' : ' (skipped: needs root to act as other users)'
const ALICE = 23_456
const BOB = 23_457
const GROUP = 24_242
const UNSAFE = { code: 'ERR_IPC_UNSAFE_PATH' }

function as(uid: number, ...command: string[]): void {
  execFileSync('setpriv', [`--reuid=${uid}`, `--regid=${GROUP}`, '--clear-groups', ...command])
}

/** A directory that everybody may write to, sticky; or one of a group. */
function shared(mode: number): string {
  const directory = temporaryDirectory()
  chownSync(directory, 0, GROUP)
  chmodSync(directory, mode)
  return directory
}

/** Gives BOB access, by a default list, to whatever is made in a directory. */
function giveDefaultAccess(directory: string): void {
  // user::rwx, user:BOB:rwx, group::---, mask::rwx, other::---
  const program = [
    'import os, struct, sys',
    'entry = lambda tag, bits, who: struct.pack("<HHI", tag, bits, who)',
    `acl = struct.pack("<I", 2) + entry(1, 7, 0xffffffff) + entry(2, 7, ${BOB}) + entry(4, 0, 0xffffffff) + entry(16, 7, 0xffffffff) + entry(32, 0, 0xffffffff)`,
    'os.setxattr(sys.argv[1], "system.posix_acl_default", acl)',
  ].join('\n')
  execFileSync('python3', ['-c', program, directory])
}

describe.skipIf(!root)(`files of other users${why}`, () => {
  it('a lock that is a second name of another file of this user is refused, and the file stays unchanged', async () => {
    const directory = shared(0o1777)
    const victim = join(directory, 'victim')
    writeFileSync(victim, 'content')
    chmodSync(victim, 0o666)
    as(ALICE, 'ln', victim, join(directory, 'test.sock.lock'))
    const error = await rejectionOf(listen('test', { directory }))
    expect(error).toMatchObject(UNSAFE)
    expect((error as Error).message).toContain('has 2 names')
    expect(statSync(victim).mode & 0o777).toBe(0o666)
    expect(statSync(victim).nlink).toBe(2)
  })

  it('a lock that others may write to is refused', async () => {
    const directory = shared(0o1777)
    writeFileSync(join(directory, 'test.sock.lock'), '')
    chmodSync(join(directory, 'test.sock.lock'), 0o666)
    expect(await rejectionOf(listen('test', { directory }))).toMatchObject(UNSAFE)
    expect(statSync(join(directory, 'test.sock.lock')).mode & 0o777).toBe(0o666)
  })

  it.each(['1777', '3770'])(
    'a link of theirs in a directory of mode %s is followed by neither end',
    async (mode) => {
      const directory = shared(Number.parseInt(mode, 8))
      const target = temporaryDirectory()
      as(ALICE, 'ln', '-s', target, join(directory, 'soc'))
      const named = { directory: join(directory, 'soc') }
      expect(await rejectionOf(listen('test', named))).toMatchObject(UNSAFE)
      const listener = await listening(target)
      expect(await rejectionOf(dial('test', named))).toMatchObject(UNSAFE)
      // The way there is not at fault.
      ;(await dial('test', { directory: target })).destroy()
      listener.close()
      expect(existsSync(join(target, 'test.sock'))).toBe(false)
    },
  )

  it('a directory that another user made for everybody is no place to listen', async () => {
    const directory = join(shared(0o1777), 'theirs')
    as(ALICE, 'mkdir', '-m', '777', directory)
    const error = await rejectionOf(listen('test', { directory }))
    expect(error).toMatchObject(UNSAFE)
    expect((error as Error).message).toContain(`belongs to user ${ALICE}`)
    expect(existsSync(join(directory, 'test.sock.lock'))).toBe(false)
  })

  it('a link of the owner of a directory leads to a server there, whom the policy checks', async () => {
    const directory = temporaryDirectory()
    chownSync(directory, ALICE, ALICE)
    mkdirSync(join(directory, 'real'))
    chownSync(join(directory, 'real'), ALICE, ALICE)
    as(ALICE, 'ln', '-s', 'real', join(directory, 'link'))
    const child = startChild(
      'endpoint',
      { role: 'listen', directory: join(directory, 'real'), policy: { users: [0] } },
      { uid: ALICE, gid: ALICE },
    )
    expect(await child.report()).toHaveProperty('listening')
    const connection = await dial('test', { directory: join(directory, 'link'), policy: { users: [ALICE] } })
    expect(connection.peer.uid).toBe(ALICE)
    connection.destroy()
  })

  it('a default access list of the directory opens the socket to no other user', async () => {
    const directory = temporaryDirectory()
    chmodSync(directory, 0o711)
    giveDefaultAccess(directory)
    const listener = await listen('test', {
      directory,
      mode: 0o660,
      group: GROUP,
      policy: { groups: [GROUP] },
    })
    const socket = join(directory, 'test.sock')
    expect(lstatSync(socket).mode & 0o777).toBe(0o660)
    const connecting = `require('node:net').connect(process.argv[1]).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`
    const connects = (uid: number, gid: number): boolean =>
      spawnSync(process.execPath, ['-e', connecting, socket], { uid, gid, cwd: '/', stdio: 'ignore' })
        .status === 0
    expect(connects(ALICE, GROUP)).toBe(true)
    expect(connects(BOB, BOB)).toBe(false)
    listener.close()
  })
})

/** Each keeps files in a directory: how to open one and put something there, and the file whose name others could take. */
const STORES: readonly {
  readonly what: string
  readonly file: string
  readonly use: (directory: string) => Promise<void>
}[] = [
  {
    what: 'a spool',
    file: 'lock',
    use: async (directory) => {
      const spool = await Spool.open({ directory })
      await spool.close()
    },
  },
  {
    what: 'a fact store',
    file: 'lock.mdb',
    use: async (directory) => {
      const store = await LmdbFactStore.open(directory)
      await store.close()
    },
  },
  {
    what: 'a peer registry',
    file: 'peers.json',
    use: async (directory) => {
      const storage = new FileRegistryStorage(join(directory, 'peers.json'))
      const registry = await PeerRegistry.open('node', { storage })
      registry.completeHandshake({ peerId: `peer_${'0'.repeat(24)}`, node: 'n', genomeHash: '' })
      await registry.save()
    },
  },
]

describe.skipIf(!root).each(STORES)(`other users and $what${why}`, ({ file, use }) => {
  async function used(directory = join(temporaryDirectory(), 'store')): Promise<string> {
    await use(directory)
    return directory
  }

  it('have no access to what is made there, whatever the umask and the default access lists', async () => {
    const above = temporaryDirectory()
    giveDefaultAccess(above)
    const before = process.umask(0)
    const directory = await used(join(above, 'store')).finally(() => process.umask(before))
    expect(statSync(directory).mode & 0o7777).toBe(0o700)
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).mode & 0o777, name).toBe(0o600)
      const read = spawnSync('setpriv', [
        `--reuid=${BOB}`,
        `--regid=${BOB}`,
        '--clear-groups',
        'cat',
        join(directory, name),
      ])
      expect(read.status, name).not.toBe(0)
    }
  })

  it('cannot give a file of this user a second name there', async () => {
    const directory = join(temporaryDirectory(), 'store')
    mkdirSync(directory, { mode: 0o700 })
    const victim = join(temporaryDirectory(), 'victim')
    writeFileSync(victim, 'content', { mode: 0o600 })
    linkSync(victim, join(directory, file))
    const error = await rejectionOf(use(directory))
    expect(error).toMatchObject(UNSAFE)
    expect((error as Error).message).toContain('has 2 names')
    expect(statSync(victim)).toMatchObject({ size: 7, nlink: 2 })
  })

  it('cannot lead it elsewhere by a link in a sticky directory or one of a group', async () => {
    for (const mode of [0o1777, 0o3770]) {
      const above = shared(mode)
      const target = temporaryDirectory()
      as(ALICE, 'ln', '-s', target, join(above, 'soc'))
      expect(await rejectionOf(use(join(above, 'soc', 'store')))).toMatchObject(UNSAFE)
      expect(readdirSync(target)).toEqual([])
    }
  })

  it.each(['link', 'file'])('cannot put a %s of theirs where it is', async (kind) => {
    const directory = await used()
    const path = join(directory, file)
    rmSync(path)
    if (kind === 'link') symlinkSync('/etc/passwd', path)
    else writeFileSync(path, '', { mode: 0o600 })
    lchownSync(path, ALICE, ALICE)
    expect(await rejectionOf(use(directory))).toMatchObject(UNSAFE)
  })

  it.each([
    ['made by another user, of mode 0777', ALICE, 0o777],
    ['of root, of mode 0777', 0, 0o777],
    ['of root, sticky', 0, 0o1777],
    ['of root, of a group', 0, 0o2770],
    ['made by another user, of mode 0700', ALICE, 0o700],
  ])('cannot make it take a directory %s', async (_what, owner, mode) => {
    const directory = temporaryDirectory()
    chownSync(directory, owner, GROUP)
    chmodSync(directory, mode)
    expect(await rejectionOf(use(directory))).toMatchObject(UNSAFE)
    expect(readdirSync(directory)).toEqual([])
  })

  it('cannot replace a directory above it', async () => {
    const above = shared(0o777)
    expect(await rejectionOf(use(join(above, 'made', 'store')))).toMatchObject(UNSAFE)
    expect(readdirSync(above)).toEqual([])
  })
})

describe.skipIf(!root)(`a private directory of root${why}`, () => {
  it('is refused by a process of another user, as one of root above it is not', async () => {
    const directory = temporaryDirectory()
    const report = async (): Promise<unknown> =>
      startChild('spool-holder', { directory }, { uid: ALICE, gid: ALICE }).report()
    expect(await report()).toEqual({ failed: UNSAFE.code })
    chownSync(directory, ALICE, ALICE)
    expect(await report()).toEqual({ opened: 1 })
  })
})

describe.skipIf(!root)(`a directory that is declared shared${why}`, () => {
  it.each([0o777, 0o2777])(
    'is refused without the declaration, which the error names (mode %o)',
    async (mode) => {
      const directory = shared(mode)
      const error = await rejectionOf(listen('test', { directory }))
      expect(error).toMatchObject(UNSAFE)
      expect((error as Error).message).toContain('sharedDirectory')
      expect(readdirSync(directory)).toEqual([])
    },
  )

  it('lets the users of the policy in, and nobody else', async () => {
    const directory = shared(0o777)
    const options = { directory, sharedDirectory: true, mode: 0o666, policy: { users: [0, ALICE] } } as const
    const listener = await listen('test', options)
    expect(lstatSync(join(directory, 'test.sock')).mode & 0o777).toBe(0o666)
    const role = { role: 'dial', directory, policy: { users: [0] } }
    const alice = startChild('endpoint', role, { uid: ALICE, gid: ALICE })
    expect((await listener.accept()).peer.uid).toBe(ALICE)
    expect(await alice.report()).toHaveProperty('dialled')
    await startChild('endpoint', role, { uid: BOB, gid: BOB }).report()
    await until(() => listener.stats.refused === 1)
    listener.close()
    expect(readdirSync(directory)).toEqual([])
  })

  it('lets another user take the address, and that user is recognised', async () => {
    const directory = shared(0o777)
    const listener = await listen('test', { directory, sharedDirectory: true })
    as(ALICE, 'rm', '-f', join(directory, 'test.sock'), join(directory, 'test.sock.lock'))
    expect(listener.check()).toBe(false)
    const order = {
      role: 'listen',
      directory,
      sharedDirectory: true,
      mode: 0o666,
      policy: { users: [0, ALICE] },
    }
    const thief = startChild('endpoint', order, { uid: ALICE, gid: ALICE })
    expect(await thief.report()).toHaveProperty('listening')
    expect(await rejectionOf(dial('test', { directory, sharedDirectory: true }))).toMatchObject({
      code: 'ERR_IPC_PEER_REJECTED',
    })
    listener.close()
    expect(lstatSync(join(directory, 'test.sock')).uid).toBe(ALICE)
  })

  it('must itself belong to this user or to root, below directories that are safe', async () => {
    const theirs = shared(0o777)
    chownSync(theirs, ALICE, GROUP)
    const below = join(shared(0o777), 'below')
    mkdirSync(below)
    chmodSync(below, 0o777)
    for (const directory of [theirs, below]) {
      expect(await rejectionOf(listen('test', { directory, sharedDirectory: true }))).toMatchObject(UNSAFE)
    }
  })

  it('cannot be used to give access to another file', async () => {
    const directory = shared(0o777)
    const victim = join(directory, 'victim')
    writeFileSync(victim, 'secret', { mode: 0o600 })
    // Another user replaces the socket by a link to the victim as fast as possible. Without the check, an attack succeeds
    // within a second or two, by chance: test:mutation gives it more of them.
    const attackMs = process.env['MUTATION'] === '1' ? 20_000 : 1500
    const swap = `const fs = require('node:fs'), [, victim, path] = process.argv
      for (const end = Date.now() + ${attackMs}; Date.now() < end;) {
        try { fs.unlinkSync(path) } catch {}
        try { fs.symlinkSync(victim, path) } catch {}
        try { fs.unlinkSync(path) } catch {}
      }`
    const attacker = spawn(process.execPath, ['-e', swap, victim, join(directory, 'test.sock')], {
      uid: ALICE,
      gid: ALICE,
      cwd: '/',
      stdio: 'ignore',
    })
    const ended = once(attacker, 'exit')
    let running = true
    void ended.then(() => (running = false))
    const options = { directory, sharedDirectory: true, mode: 0o666, policy: { users: [0, ALICE] } } as const
    const mode = (): number => statSync(victim).mode & 0o777
    while (running && mode() === 0o600) {
      await listen('test', options).then(
        (listener) => {
          listener.close()
        },
        () => undefined,
      )
      await new Promise(setImmediate)
    }
    attacker.kill()
    await ended
    expect(mode()).toBe(0o600)
  })
})

it('a link of our own leads to our own server', async () => {
  const directory = temporaryDirectory()
  await listening(directory)
  const link = join(temporaryDirectory(), 'link')
  symlinkSync(directory, link)
  ;(await dial('test', { directory: link })).destroy()
})
