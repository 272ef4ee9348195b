// The provenance that a batch has in its headers, as a consumer of JetStream reads it: host, user, process and unit are those of a
// sender of another user in a control group as systemd makes one, also after the messages waited in a spool. Needs root.

import { AckPolicy, jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

import { Spool } from '../../lib/spool/spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { startProgram, type Program } from '../support/program.js'
import { managing, server, wayOut } from './bridges.js'
import { whyNoServer } from './nats-server.js'

const USER = 23_471
const UNIT = `sipc-collector-${process.pid}.service`
const collector = fileURLToPath(new URL('../../examples/two-users/collector.mjs', import.meta.url))

/** Where control groups are made of which units are read: as in /proc/PID/cgroup, systemd's own hierarchy comes first. */
const hierarchy = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
  existsSync(join(path, 'cgroup.procs')),
)

const why = ((): string | undefined => {
  if (whyNoServer !== undefined) return whyNoServer
  if (process.geteuid?.() !== 0) return 'skipped: needs root'
  if (hierarchy === undefined) return 'skipped: there are no control groups'
  try {
    mkdirSync(join(hierarchy, UNIT))
    rmdirSync(join(hierarchy, UNIT))
    return undefined
  } catch {
    return 'skipped: control groups cannot be made here'
  }
})()

/** Makes a control group that is gone with the test. */
function controlGroup(): string {
  const path = join(hierarchy ?? '', UNIT)
  mkdirSync(path)
  onTestFinished(() => {
    rmdirSync(path)
  })
  return path
}

const BECOME = 'import os,sys; open(sys.argv[1],"w").write(str(os.getpid())); u=int(sys.argv[2]); os.setgroups([]); os.setgid(u); os.setuid(u); os.execv(sys.argv[3], sys.argv[3:])' // prettier-ignore

/** A collector of another user and unit. */
function startCollector(group: string, directory: string): Program {
  const program = [process.execPath, collector, directory, '0']
  return startProgram('python3', ['-c', BECOME, join(group, 'cgroup.procs'), String(USER), ...program])
}

describe.skipIf(why !== undefined)(`the headers of a batch${why === undefined ? '' : ` (${why})`}`, () => {
  it.each([
    ['once it was stored', false],
    ['after it waited in a spool for another bridge', true],
  ])('say host, user, process and unit of the sender %s', async (_when, spooled) => {
    const directory = temporaryDirectory()
    const open = mkdtempSync(join(realpathSync(tmpdir()), 'sipc-open-'))
    chmodSync(open, 0o755)
    onTestFinished(() => {
      rmdirSync(open)
    })
    const nats = await server(directory)
    const host = 'web 1.example'
    const at = join(directory, 'spool')
    const from = { from: 'events', host, listen: { directory: open, mode: 0o666, policy: { users: [USER] } } }
    const bridge = async (): ReturnType<typeof wayOut> =>
      wayOut(open, nats.url, { ...from, ...(spooled && { spool: await Spool.open({ directory: at }) }) })
    if (spooled) await nats.kill()
    const first = await bridge()
    const sender = startCollector(controlGroup(), open)
    expect([await sender.ended, sender.errors]).toEqual([0, ''])
    await first.close({ timeoutMs: spooled ? 1 : 5000 })
    if (spooled) {
      await nats.resume()
      await (await bridge()).close()
    }

    await managing(nats.url, (manager) =>
      manager.consumers.add('SENTINEL', { durable_name: 'reader', ack_policy: AckPolicy.Explicit }),
    )
    const nc = await connect({ servers: nats.url })
    onTestFinished(() => nc.close())
    const stored = await (await jetstream(nc).consumers.get('SENTINEL', 'reader')).next({ expires: 5000 })
    expect(stored?.subject).toBe('sentinel.web%201%2eexample.soc_event')
    expect(stored?.headers?.get('Sentinel-Host')).toBe('web%201%2eexample')
    expect(JSON.parse(stored?.headers?.get('Sentinel-Runs') ?? '')).toEqual([
      {
        uid: USER,
        pid: sender.child.pid,
        unit: UNIT,
        session: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        previous: 0,
        first: 1,
        count: 1,
        anchored: true,
      },
    ])
    expect(stored?.string()).toContain(`"payload":"from uid ${USER}"`)
  })
})
