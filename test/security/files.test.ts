// Files, links and directories of other users where an address stands, tried with real ones. Needs root to become them.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { startChild } from '../support/child.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { rejectionOf } from '../support/wait.js'

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
    // user::rwx, user:BOB:rw-, group::---, mask::rw-, other::---
    const program = [
      'import os, struct, sys',
      'entry = lambda tag, bits, who: struct.pack("<HHI", tag, bits, who)',
      `acl = struct.pack("<I", 2) + entry(1, 7, 0xffffffff) + entry(2, 6, ${BOB}) + entry(4, 0, 0xffffffff) + entry(16, 6, 0xffffffff) + entry(32, 0, 0xffffffff)`,
      'os.setxattr(sys.argv[1], "system.posix_acl_default", acl)',
    ].join('\n')
    execFileSync('python3', ['-c', program, directory])
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

it('a link of our own leads to our own server', async () => {
  const directory = temporaryDirectory()
  await listening(directory)
  const link = join(temporaryDirectory(), 'link')
  symlinkSync(directory, link)
  ;(await dial('test', { directory: link })).destroy()
})
