// The misconfigurations that doctor.test.ts sets up, each with the cause and the remedy that `sentinel-ipc doctor` must find.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, linkSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { strangers } from '../../support/platform.js'
import { until } from '../../support/wait.js'
import { ALICE, asAlice, at, plainSocket, listenAs, open, copyOfPackage, mounted, type Case } from './case.js'
import { main } from './command.js'

export const CASES: readonly Case[] = [
  {
    title: 'nothing at the address',
    cause: 'nothing',
    remedy: /start the listener/,
    setUp: (directory) => at(directory),
  },
  {
    title: 'a directory that does not exist',
    cause: 'no-directory',
    remedy: /create the directory/,
    setUp: (directory) => at(join(directory, 'missing')),
  },
  {
    title: 'two missing directories, to listen',
    cause: 'no-directory',
    remedy: /create it: listen makes only the last component/,
    setUp: (directory) => at(join(directory, 'missing/too'), '--listen'),
  },
  {
    title: 'a socket that its dead listener left',
    cause: 'stale',
    remedy: /start the listener; listen replaces/,
    setUp: async (directory) => {
      await plainSocket(join(directory, 'test.sock'))
      return at(directory)
    },
  },
  {
    title: 'a regular file at the address',
    cause: 'not-a-socket',
    remedy: /remove .*test\.sock/,
    setUp: (directory) => {
      writeFileSync(join(directory, 'test.sock'), '')
      return at(directory, '--listen')
    },
  },
  {
    title: 'a regular file at the address, to dial',
    cause: 'not-a-socket',
    remedy: /remove .*test\.sock/,
    setUp: (directory) => {
      writeFileSync(join(directory, 'test.sock'), '')
      return at(directory)
    },
  },
  {
    title: 'a file in place of a directory',
    cause: 'not-a-directory',
    remedy: /remove it or use another directory/,
    setUp: (directory) => {
      writeFileSync(join(directory, 'file'), '')
      return at(join(directory, 'file'), '--listen')
    },
  },
  {
    title: 'an impossible name',
    cause: 'bad-name',
    remedy: /give a path with a slash/,
    setUp: (directory) => ({ args: ['what?', '-d', directory] }),
  },
  {
    title: 'a path that no socket can have',
    cause: 'path-too-long',
    remedy: /shorter directory or name/,
    setUp: (directory) => ({ args: ['n'.repeat(100), '-d', directory] }),
  },
  {
    title: 'a relative directory in the environment',
    cause: 'environment',
    remedy: /set SENTINEL_IPC_DIRECTORY to an absolute path/,
    setUp: () => ({ args: ['test'], options: { env: { SENTINEL_IPC_DIRECTORY: 'run/soc' } } }),
  },
  {
    title: 'a policy with a user that does not exist',
    cause: 'bad-policy',
    remedy: /create the user/,
    setUp: (directory) => at(directory, '--allow-user', 'no-such-user'),
  },
  {
    title: 'a group that the socket may not get',
    cause: 'bad-policy',
    remedy: /correct the option/,
    setUp: (directory) => at(directory, '--listen', '--mode', '660', '--group', 'no-such-group'),
  },
  {
    title: 'a directory of another user',
    cause: 'directory-of-other',
    remedy: /chown/,
    needs: 'root',
    setUp: (directory) => {
      chownSync(directory, ALICE, ALICE)
      return at(directory, '--listen')
    },
  },
  {
    title: 'a directory that everybody may write to',
    cause: 'directory-shared',
    remedy: /chmod \+t/,
    setUp: (directory) => at(open(directory, 0o777), '--listen'),
  },
  {
    title: 'a link of another user on the way',
    cause: 'link-of-other',
    remedy: /replace the link/,
    needs: 'root',
    setUp: (directory) => {
      open(directory, 0o1777)
      const link = join(directory, 'link')
      execFileSync('setpriv', [...asAlice.prefix.slice(1), 'ln', '-s', temporaryDirectory(), link])
      return at(link)
    },
  },
  {
    title: 'links that lead in a circle',
    cause: 'link-loop',
    remedy: /remove the link/,
    setUp: (directory) => {
      symlinkSync(join(directory, 'b'), join(directory, 'a'))
      symlinkSync(join(directory, 'a'), join(directory, 'b'))
      return at(join(directory, 'a'), '--listen')
    },
  },
  {
    title: 'a directory that does not let this user in',
    cause: 'directory-closed',
    remedy: /chmod \+x/,
    needs: 'root',
    setUp: async (directory) => {
      await listening(directory)
      return { ...at(directory), options: asAlice }
    },
  },
  {
    title: 'a directory in which this user may not create files',
    cause: 'directory-not-writable',
    remedy: /RuntimeDirectory/,
    needs: 'root',
    setUp: (directory) => ({ ...at(open(directory), '--listen'), options: asAlice }),
  },
  {
    title: 'a file system that is mounted read-only',
    cause: 'read-only',
    remedy: /mount one/,
    needs: 'namespaces',
    setUp: (directory) => ({ ...at(directory, '--listen'), options: mounted(directory, 'ro,mode=700') }),
  },
  {
    title: 'a full disk',
    cause: 'disk-full',
    remedy: /df -i/,
    needs: 'namespaces',
    setUp: (directory) => ({
      ...at(directory, '--listen'),
      options: mounted(directory, 'nr_inodes=1,mode=700'),
    }),
  },
  {
    title: 'the mode of the socket',
    cause: 'socket-closed',
    remedy: /mode 0o660/,
    needs: 'root',
    setUp: async (directory) => {
      await listening(open(directory))
      return { ...at(directory, '--allow-user', '0'), options: asAlice }
    },
  },
  {
    title: 'the group of the socket',
    cause: 'socket-closed',
    remedy: /group of this user/,
    needs: 'root',
    setUp: async (directory) => {
      await listening(open(directory), { mode: 0o660, group: 24_242, policy: { groups: [24_242] } })
      return { ...at(directory, '--allow-user', '0'), options: asAlice }
    },
  },
  {
    title: 'a listener of another user',
    cause: 'wrong-user',
    remedy: new RegExp(`users: \\[${ALICE}\\]`),
    needs: 'root',
    setUp: async (directory) => {
      chownSync(directory, ALICE, ALICE)
      await listenAs(ALICE, directory, { policy: { users: [0] }, mode: 0o666 })
      return at(directory)
    },
  },
  {
    title: 'a listener that runs another program',
    cause: 'wrong-program',
    remedy: /--allow-executable/,
    setUp: async (directory) => {
      await listening(directory)
      return at(directory, '--allow-executable', '/usr/bin/false')
    },
  },
  {
    title: 'a listener in another container',
    cause: 'other-container',
    remedy: /foreignNamespaces/,
    needs: 'namespaces',
    setUp: async (directory) => {
      await listening(directory)
      return { ...at(directory), options: { prefix: ['unshare', '--pid', '--fork', '--kill-child'] } }
    },
  },
  {
    title: 'a listener whose user has no id here',
    cause: 'unmapped-user',
    remedy: /newuidmap/,
    needs: 'namespaces',
    setUp: async (directory) => {
      open(directory, 0o777)
      chmodSync(directory, 0o1777)
      await listenAs(ALICE, directory, { policy: { users: [0] }, mode: 0o666 })
      return { ...at(directory), options: { prefix: ['unshare', '--user', '--map-root-user'] } }
    },
  },
  {
    title: 'a listener whose policy refuses this user',
    cause: 'refused-by-listener',
    remedy: /name this user in the listener's policy/,
    setUp: async (directory) => {
      await listening(directory, { policy: strangers, mode: 0o666 })
      return at(directory)
    },
  },
  {
    title: 'a listener that hangs',
    cause: 'busy',
    remedy: /hangs, is stopped/,
    setUp: async (directory) => {
      const path = join(directory, 'test.sock')
      await plainSocket(path, 0)
      const waiting = Array.from({ length: 3 }, () => connect(path).on('error', () => undefined))
      onTestFinished(() => {
        for (const socket of waiting) socket.destroy()
      })
      return at(directory, '--timeout', '200ms')
    },
  },
  {
    title: 'a socket file that a cleaner removed',
    cause: 'removed',
    remedy: /reclaim/,
    setUp: async (directory) => {
      const { address } = await listening(directory)
      unlinkSync(address)
      return at(directory)
    },
  },
  {
    title: 'a socket file that was replaced',
    cause: 'removed',
    remedy: /reclaim/,
    setUp: async (directory) => {
      const { address } = await listening(directory)
      unlinkSync(address)
      await plainSocket(address)
      return at(directory)
    },
  },
  {
    title: 'a listener that sees other files',
    cause: 'other-mount',
    remedy: /directory that both see/,
    needs: 'namespaces',
    setUp: async (directory) => {
      const { prefix } = mounted(directory, 'mode=700')
      const args = [...prefix.slice(1), process.execPath, main, 'listen', 'test', '-d', directory]
      const child = spawn('unshare', args, { stdio: 'ignore' })
      onTestFinished(() => {
        child.kill('SIGKILL')
      })
      await until(() =>
        execFileSync('cat', ['/proc/net/unix'], { encoding: 'utf8' }).includes(`${directory}/test.sock`),
      )
      return at(directory)
    },
  },
  {
    title: 'an address that is taken',
    cause: 'in-use',
    remedy: /waitMs/,
    setUp: async (directory) => {
      await listening(directory)
      return at(directory, '--listen')
    },
  },
  {
    title: 'a lock file with a second name',
    cause: 'lock-unsafe',
    remedy: /remove .*test\.sock\.lock/,
    setUp: (directory) => {
      writeFileSync(join(directory, 'other'), '', { mode: 0o600 })
      linkSync(join(directory, 'other'), join(directory, 'test.sock.lock'))
      return at(directory, '--listen')
    },
  },
  {
    title: 'Node with --no-addons',
    cause: 'no-addons',
    remedy: /without --no-addons/,
    setUp: (directory) => ({ ...at(directory), options: { env: { NODE_OPTIONS: '--no-addons' } } }),
  },
  {
    title: "Node's permission model without --allow-addons",
    cause: 'no-addons',
    remedy: /add --allow-addons/,
    setUp: (directory) => {
      const [major = 0] = process.versions.node.split('.').map(Number)
      const permission = major < 22 ? '--experimental-permission' : '--permission'
      const wrapper = join(directory, 'node')
      writeFileSync(
        wrapper,
        `#!/bin/sh\nnode="$1"; shift\nexec "$node" ${permission} '--allow-fs-read=*' "$@"\n`,
        { mode: 0o755 },
      )
      return { ...at(directory), options: { prefix: [wrapper] } }
    },
  },
  {
    title: 'a package without a binary for this system',
    cause: 'no-binary',
    remedy: /npm run prebuild/,
    setUp: (directory) => ({ ...at(directory), options: copyOfPackage(directory) }),
  },
  {
    title: 'a binary that does not load',
    cause: 'bad-binary',
    remedy: /install the package again on this machine/,
    setUp: (directory) => ({ ...at(directory), options: copyOfPackage(directory, 'not an object file') }),
  },
  {
    title: 'a Node that is too old',
    cause: 'runtime',
    remedy: /run it with Node\.js 20\.19/,
    setUp: (directory) => {
      const preload = join(directory, 'old.cjs')
      writeFileSync(
        preload,
        "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.0' } })",
      )
      return { ...at(directory), options: { env: { NODE_OPTIONS: `--require ${preload}` } } }
    },
  },
]
