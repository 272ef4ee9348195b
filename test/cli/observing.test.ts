// `sentinel-ipc audit` and `sentinel-ipc bench`.

import { channel } from 'node:diagnostics_channel'
import { readdirSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { exposeStats } from '../../lib/stats/stats-server.js'
import { temporaryDirectory } from '../support/directory.js'
import { strangers } from '../support/platform.js'
import { until } from '../support/wait.js'
import { jsonLines, run, start } from './support/command.js'

async function watched(): Promise<{ directory: string; visit: () => Promise<void> }> {
  const directory = temporaryDirectory()
  const server = await exposeStats('service', { directory })
  const open = await listen('open', { directory })
  const closed = await listen('closed', { directory, policy: strangers, mode: 0o666 })
  onTestFinished(async () => {
    open.close()
    closed.close()
    await server.close()
  })
  const visit = async (): Promise<void> => {
    const [client, accepted] = await Promise.all([dial('open', { directory }), open.accept()])
    client.destroy()
    accepted.destroy()
    ;(await dial('closed', { directory })).destroy()
  }
  return { directory, visit }
}

describe('audit', () => {
  it('prints who is accepted, refused and gone, a line of JSON each', async () => {
    const { directory, visit } = await watched()
    const audit = start(['audit', 'service', '-d', directory])
    await until(() => {
      visit().catch(() => undefined) // the last one may be cut off
      return audit.stdout.includes('"event":"reject"') && audit.stdout.includes('"event":"close"')
    })
    audit.process.kill('SIGINT')
    const { code, stdout, stderr } = await audit.done
    expect([code, stderr]).toEqual([0, ''])
    const records = jsonLines(stdout) as { event: string; address: string }[]
    expect(records.find(({ event }) => event === 'accept')).toMatchObject({
      address: `${directory}/open.sock`,
      peer: { pid: process.pid },
    })
    expect(records.find(({ event }) => event === 'reject')).toMatchObject({
      address: `${directory}/closed.sock`,
      reason: 'not-listed',
      uid: process.getuid?.(),
    })
  })

  it('picks events, and ends after a number of them', async () => {
    const { directory, visit } = await watched()
    const audit = start(['audit', 'service', '-d', directory, '--event', 'reject', '-n', '2'])
    await until(() => {
      visit().catch(() => undefined) // the last one may be cut off
      return audit.process.exitCode !== null
    })
    const { code, stdout } = await audit.done
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toMatchObject([{ event: 'reject' }, { event: 'reject' }])
  })

  it('says that the process has ended', async () => {
    const directory = temporaryDirectory()
    const server = await exposeStats('service', { directory })
    const audit = start(['audit', 'service', '-d', directory])
    await until(() => channel('sentinel-ipc:reject').hasSubscribers)
    await server.close()
    const { code, stderr } = await audit.done
    expect(code).toBe(1)
    expect(stderr).toMatch(/has ended the connection|\[ERR_IPC_CLOSED\]/)
  })

  it('says that nothing exposes its counts, with code 3', async () => {
    const { code, stderr } = await run(['audit', 'service', '-d', temporaryDirectory()])
    expect(code).toBe(3)
    expect(stderr).toContain('no process exposes its events as service: call exposeStats')
  })
})

describe('bench', () => {
  it('compares this library with net, and leaves nothing behind', async () => {
    const TMPDIR = temporaryDirectory()
    const { code, stdout, stderr } = await run(['bench', '--duration', '200ms'], { env: { TMPDIR } })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^messages per second +[\d,]+ +[\d,]+ +[\d.]+ ×$/m)
    expect(stdout).toMatch(/^round trip, median +[\d.]+ [µm]s +[\d.]+ [µm]s +[\d.]+ ×$/m)
    expect(readdirSync(TMPDIR)).toEqual([])
  })

  it('prints JSON', async () => {
    const { stdout } = await run(['bench', '--duration', '100ms', '--bytes', '10', '--json'])
    const { ours, net, bytes } = JSON.parse(stdout) as Record<
      'ours' | 'net',
      { stream: { perSecond: number }; roundTripMs: { count: number } }
    > & { bytes: number }
    expect(bytes).toBe(10)
    for (const side of [ours, net]) {
      expect(side.stream.perSecond).toBeGreaterThan(0)
      expect(side.roundTripMs.count).toBeGreaterThan(0)
    }
  })

  it('ends at SIGINT', async () => {
    const TMPDIR = temporaryDirectory()
    const bench = start(['bench', '--duration', '10s'], { env: { TMPDIR } })
    await until(() => readdirSync(TMPDIR).length > 0)
    bench.process.kill('SIGINT')
    expect(await bench.done).toMatchObject({ code: 130, stdout: '', stderr: '' })
    expect(readdirSync(TMPDIR)).toEqual([])
  })
})
