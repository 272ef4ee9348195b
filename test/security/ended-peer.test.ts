// A peer that has ended before it is checked: nothing that /proc says of its process id counts, whether the process is a zombie
// or another one has the id by now.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

import { temporaryDirectory } from '../support/directory.js'

const files = {
  script: '../support/ended-peer.py',
  listener: '../../out/test/support/children/ended-peer.js',
}
const script = fileURLToPath(new URL(files.script, import.meta.url))
const listener = fileURLToPath(new URL(files.listener, import.meta.url))
const uid = process.getuid?.() ?? 0

const namespaces = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0
const why = namespaces ? '' : ' (skipped: needs unshare and the right to make pid namespaces)'
const hierarchy = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((place) =>
  existsSync(join(place, 'cgroup.procs')),
)
const UNIT = 'sentinel-ended.service'

/** What the listener says of a peer with that fate; in a pid namespace of its own, where process ids can be chosen. */
function listenerMeets(
  fate: 'alive' | 'zombie' | 'reused',
  policy: object,
  group = '',
  more: Record<string, string> = {},
): unknown {
  const path = join(temporaryDirectory(), 'ended.sock')
  const order = [
    script,
    fate,
    path,
    group,
    process.execPath,
    listener,
    JSON.stringify({ users: [uid], ...policy }),
  ]
  const args = ['--pid', '--fork', '--mount-proc', '--kill-child', 'python3', ...order]
  return JSON.parse(execFileSync('unshare', args, { encoding: 'utf8', env: { ...process.env, ...more } }))
}

describe.skipIf(!namespaces)(`a peer that runs a program${why}`, () => {
  const sleep = execFileSync('readlink', ['-f', '/bin/sleep'], { encoding: 'utf8' }).trim()

  it('is known by it while it lives', () => {
    expect(listenerMeets('alive', { executables: [sleep] })).toMatchObject({
      accepted: true,
      executable: sleep,
    })
  })

  it('is not taken for the process that has its id now', () => {
    expect(listenerMeets('reused', { executables: [sleep] })).toMatchObject({ refused: 'executable-unknown' })
  })
})

describe.skipIf(!namespaces || hierarchy === undefined)(
  `a peer of a unit of systemd${why}${hierarchy === undefined ? ' (skipped: no hierarchy of control groups)' : ''}`,
  () => {
    const place = join(hierarchy ?? '', UNIT)

    // The first version of control groups forgets the group of a zombie; in the second it counts that the process has ended.
    it.each([
      ['is known by it while it lives', 'alive', { accepted: true, unit: UNIT }],
      ['is of no unit once it has ended, even as a zombie', 'zombie', { refused: 'unit-unknown' }],
      ['is not of the unit of the process that has its id now', 'reused', { refused: 'unit-unknown' }],
    ] as const)('%s', (_what, fate, expected) => {
      mkdirSync(place, { recursive: true })
      try {
        expect(listenerMeets(fate, { units: [UNIT] }, join(place, 'cgroup.procs'))).toMatchObject(expected)
      } finally {
        rmdirSync(place)
      }
    })
  },
)

// A preloaded shim stands for the second version of control groups, which a machine with the first one cannot show.
describe.skipIf(!namespaces || process.env['SANITIZED'] === '1')(
  `where control groups outlive a process${why}`,
  () => {
    it.each([
      ['alive', { accepted: true, unit: UNIT }],
      ['zombie', { refused: 'unit-unknown' }],
    ] as const)('the unit of a peer that is %s counts as it should', (fate, expected) => {
      const shim = join(temporaryDirectory(), 'faults.so')
      const source = fileURLToPath(new URL('../native/faults/faults.c', import.meta.url))
      execFileSync('cc', ['-shared', '-fPIC', '-O1', '-w', '-o', shim, source, '-ldl'])
      const env = { LD_PRELOAD: shim, FAULTS: 'openat/cgroup2:0:9' }
      expect(listenerMeets(fate, { units: [UNIT] }, '', env)).toMatchObject(expected)
    })
  },
)
