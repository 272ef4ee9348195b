// Each stage of the demo beside two processes that behave as the original Go programs do: their directory, their sockets, their
// payloads. Whichever stage is ours, an attack that goes in comes out as an incident.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { Program } from '../support/program.js'
import { until } from '../support/wait.js'
import { buildGoPeer, hasGo, whyNot } from './go-peer.js'

const MAIN = fileURLToPath(new URL('../../out/examples/soc-pipeline/main.js', import.meta.url))
const LINUX = process.platform === 'linux'
const ATTACKS = [
  { EventID: 1102, SourceName: 'Microsoft-Windows-Eventlog', SubjectUserName: 'mallory' },
  { EventID: 1102, SourceName: 'Microsoft-Windows-Eventlog', SubjectUserName: 'trudy', Hostname: 'dc-1' },
].map((event) => JSON.stringify(event))

type Stage = 'ingest' | 'correlate' | 'respond'

let program: ReturnType<typeof buildGoPeer>
beforeAll(() => {
  program = buildGoPeer()
}, 120_000)
afterAll(() => {
  program?.remove()
})

/** A directory for the sockets of both, as $TMPDIR. */
function temporary(): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'soc-go-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

function start(directory: string, file: string, ...args: string[]): Program {
  const env = { ...process.env, TMPDIR: directory }
  const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  onTestFinished(() => end(child))
  return new Program(child)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const original = (directory: string, stage: Stage): Program =>
  start(directory, program.path, 'soc-stage', stage)

const ours = (directory: string, stage: Stage, ...args: string[]): Program =>
  start(directory, process.execPath, MAIN, '--sentinel', stage, '--no-view', ...args)

/** What a Go process printed, as JSON. */
const said = ({ lines }: Program): unknown[] => lines.map((line) => JSON.parse(line) as unknown)

const hasSocket = (directory: string, name: string): Promise<void> =>
  until(() => existsSync(join(directory, 'sentinel-soc', `${name}.sock`)), 20_000)

function feed(collector: Program): void {
  collector.child.stdin?.end(`${ATTACKS.join('\n')}\n`)
}

describe.skipIf(!hasGo || !LINUX)(`beside the original programs${whyNot}`, () => {
  it('soc-ingest gives their correlator events that it can decode', async () => {
    const directory = temporary()
    const responder = original(directory, 'respond')
    await hasSocket(directory, 'soc-correlate-to-respond')
    const correlator = original(directory, 'correlate')
    await hasSocket(directory, 'soc-ingest-to-correlate')
    const file = join(directory, 'events.ndjson')
    writeFileSync(file, `${ATTACKS.join('\n')}\n`)
    const ingest = ours(directory, 'ingest', file)
    expect([await ingest.ended, ingest.errors]).toEqual([0, ''])
    expect(ingest.lines.join('\n')).toContain('2 read, 2 written to the Go correlator, 0 pending')
    expect([await correlator.ended, correlator.errors]).toEqual([0, ''])
    expect([await responder.ended, responder.errors]).toEqual([0, ''])
    expect(said(correlator)).toMatchObject([
      { listening: 'soc-ingest-to-correlate' },
      ...ATTACKS.map((payload) => ({
        id: expect.stringMatching(/^\d+$/) as string,
        source: 'json',
        payload,
      })),
      { closed: true },
    ])
    expect(said(responder)).toHaveLength(4)
  }, 60_000)

  it('soc-correlate finds the attacks in the payloads of their collector, and tells their responder', async () => {
    const directory = temporary()
    // Ours first: the directory is not there yet.
    const correlate = ours(directory, 'correlate')
    await hasSocket(directory, 'soc-ingest-to-correlate')
    const responder = original(directory, 'respond')
    const collector = original(directory, 'ingest')
    feed(collector)
    expect([await collector.ended, collector.errors]).toEqual([0, ''])
    await until(() => responder.lines.length >= 3, 20_000)
    correlate.child.kill('SIGINT')
    expect([await correlate.ended, correlate.errors]).toEqual([0, ''])
    expect([await responder.ended, responder.errors]).toEqual([0, ''])
    const incident = {
      id: expect.stringMatching(/./) as string,
      status: 'OPEN',
      severity: 'HIGH',
      event_count: 1,
      correlation_rule: 'log-cleared',
      created_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT/) as string,
    }
    expect(said(responder)).toMatchObject([
      { listening: 'soc-correlate-to-respond' },
      { ...incident, title: 'security log cleared by mallory' },
      { ...incident, title: 'security log cleared by trudy' },
      { closed: true },
    ])
    expect(correlate.lines.join('\n')).toContain('2 events taken, 0 refused; 2 incidents, 2 messages written')
  }, 60_000)

  it('soc-respond prints the incidents of their correlator', async () => {
    const directory = temporary()
    const respond = ours(directory, 'respond')
    await hasSocket(directory, 'soc-correlate-to-respond')
    const correlator = original(directory, 'correlate')
    await hasSocket(directory, 'soc-ingest-to-correlate')
    feed(original(directory, 'ingest'))
    expect([await correlator.ended, correlator.errors]).toEqual([0, ''])
    await until(() => respond.lines.filter((line) => line.startsWith('CRITICAL')).length === 2, 20_000)
    respond.child.kill('SIGINT')
    expect([await respond.ended, respond.errors]).toEqual([0, ''])
    const printed = respond.lines.filter((line) => line.startsWith('CRITICAL'))
    for (const name of ['mallory', 'trudy']) {
      expect(printed.find((line) => line.includes(name))).toMatch(/any-event {2}seen by the original: /)
    }
    expect(respond.lines.join('\n')).toContain('2 messages taken, 0 refused; 2 incidents')
  }, 60_000)
})
