// The demo as a user runs it: a process of its own, judged by what it prints and by its exit code.

import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { dialWithRetry, listen, newSOCMessage, Receiver, Sender, SOCMsgType } from 'sentinel-ipc'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../../out/examples/soc-pipeline/main.js', import.meta.url))
const REAL_EVENTS = fileURLToPath(new URL('../../../shared/data/security-events/', import.meta.url))

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Starts the demo; its sockets go into the directory of the test. */
function start(args: readonly string[], detached = false): ChildProcessByStdio<null, Readable, Readable> {
  const demo = spawn(process.execPath, [MAIN, ...args], {
    detached,
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A test that fails leaves no demo behind; it ends its own processes when the live view vanishes.
  onTestFinished(() => {
    demo.kill('SIGKILL')
  })
  return demo
}

function finish(
  demo: ChildProcessByStdio<null, Readable, Readable>,
  onOutput?: (all: string) => void,
): Promise<Run> {
  let stdout = ''
  let stderr = ''
  demo.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    onOutput?.(stdout)
  })
  demo.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    demo.once('error', reject)
    demo.once('close', (code) => {
      resolve({ code, stdout, stderr })
    })
  })
}

function run(...args: string[]): Promise<Run> {
  return finish(start(args))
}

/** Ctrl-C twice, as npm passes on what the terminal sends to the whole group. The demo catches no signal while it is ending. */
function interruptTwice(demo: ChildProcessByStdio<null, Readable, Readable>): void {
  demo.kill('SIGINT')
  demo.kill('SIGINT')
}

function socketDirectories(): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('soc-'))
}

function failedLogon(second: number): string {
  return `<86>Nov  3 04:05:${String(second).padStart(2, '0')} web1 sshd[77]: Failed password for root from 192.0.2.7 port 4711 ssh2`
}

describe('files', () => {
  it('accounts for every line and prints the incidents in them', async () => {
    const file = join(directory, 'events.log')
    const lines = [
      JSON.stringify({
        EventID: 4698,
        SourceName: 'Microsoft-Windows-Security-Auditing',
        Hostname: 'ws1',
        TaskName: '\\Evil\u001b[2J',
        SubjectUserName: 'mallory',
        '@timestamp': '2020-12-19T07:50:49Z',
      }),
      ...[1, 2, 3, 4, 5, 6].map(failedLogon),
      '2020-12-19T07:50:50Z web1 sshd[78]: Accepted publickey for alice from 192.0.2.8 port 4712 ssh2',
      '<86>Nov  3 04:05:09 web1 sshd[79]: Accepted password for root from 192.0.2.7 port 4713 ssh2',
      JSON.stringify({ long: 'ü'.repeat(20_000) }),
      '{"EventID":1,"cut off',
      '',
      '{"spliced":1},"form":{}',
      JSON.stringify({ last: 'without a line break' }),
    ]
    writeFileSync(file, lines.join('\n'))

    const { code, stdout, stderr } = await run(file)

    expect(stderr).toBe('')
    expect(stdout).toContain(
      'read 14 lines from 1 file: 11 events (3 JSON, 8 syslog), 3 lines unparsed (1 blank, 2 neither JSON nor syslog)',
    )
    expect(stdout).toContain('11 events settled, 11 finished')
    expect(stdout).toContain('events.log:11 is neither a JSON object nor syslog: {"EventID":1,"cut off')
    expect(stdout).toMatch(
      /^MEDIUM .* ws1 .*scheduled task \\Evil\\u001b\[2J created by mallory.*events\.log:1\]$/m,
    )
    expect(stdout).toMatch(/^MEDIUM .* web1 .*5 or more failed logons within 2 minutes from 192\.0\.2\.7/m)
    expect(stdout).toMatch(
      /^CRITICAL .* web1 .*root logged on from 192\.0\.2\.7 right after a burst of failures/m,
    )
    expect(stdout).not.toMatch(/^CRITICAL .*alice/m)
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
    expect(socketDirectories()).toEqual([])
  })

  it('loses nothing of more events than fit its buffers', async () => {
    const file = join(directory, 'many.log')
    writeFileSync(file, Array.from({ length: 30_000 }, (_, i) => `{"i":${i}}\n`).join(''))
    const { code, stdout } = await run('--no-view', file)
    expect(stdout).toContain('30,000 events settled, 30,000 finished')
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
  })

  it('adds up for an empty file', async () => {
    const file = join(directory, 'empty')
    writeFileSync(file, '')
    const { code, stdout } = await run('--quiet', file)
    expect(stdout).toContain('read 0 lines from 1 file')
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
  })

  it('reports a file that is cut short, after what could be read of it', async () => {
    const file = join(directory, 'broken.gz')
    writeFileSync(file, 'this is no gzip\n')
    const { code, stderr } = await run('--quiet', file)
    expect(stderr).toMatch(/^soc-ingest: error: .*broken\.gz: /m)
    expect(code).toBe(1)
  })

  it.skipIf(!existsSync(REAL_EVENTS))(
    'finds the attacks in real events (skipped where ../shared/data/security-events is not there)',
    async () => {
      const names = ['cmd_seatbelt_group_user', 'empire_shell_net_local_users', 'schtask_modification']
      const { code, stdout } = await run(...names.map((name) => join(REAL_EVENTS, `${name}.ndjson.gz`)))
      expect(stdout).toContain(
        'read 5,016 lines from 3 files: 5,015 events (5,015 JSON, 0 syslog), 1 line unparsed (1 blank)',
      )
      expect(stdout).toContain('5,015 events settled, 5,015 finished')
      expect(stdout).toMatch(/^HIGH .*attack-tool.*Seatbelt\.exe/m)
      expect(stdout).toMatch(/^HIGH .*encoded PowerShell command: IF\(\$PSVeRsiONTABLe/m)
      expect(stdout).toMatch(/^HIGH .*remote-task.*EventCacheManager updated over the network/m)
      expect(stdout).toMatch(/^adds up: yes$/m)
      expect(code).toBe(0)
    },
  )
})

describe('SIGTERM in the middle', () => {
  it.each([
    ['to the demo alone', false],
    ['to all its processes at once, as a service manager sends it', true],
  ])('%s winds up: what was read is handled and adds up', async (_to, all) => {
    const file = join(directory, 'many.log')
    const lines = 200_000
    writeFileSync(file, Array.from({ length: lines }, (_, i) => `{"i":${i}}\n`).join(''))
    // At this rate the whole file would take more than three minutes.
    const demo = start(['--rate', '1000', file], all)
    const pid = demo.pid as number
    let told = false
    const { code, stdout, stderr } = await finish(demo, (output) => {
      if (told || !/ read [1-9]/.test(output)) return
      told = true
      process.kill(all ? -pid : pid, 'SIGTERM')
    })
    expect(stderr).toBe('')
    const [, read, events] = /read ([\d,]+) lines? from 1 file: ([\d,]+) events? \(/.exec(stdout) ?? []
    expect(read).toBe(events)
    const count = Number(read?.replaceAll(',', ''))
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(lines)
    expect(stdout).toContain(`${String(events)} events settled, ${String(events)} finished`)
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
    expect(socketDirectories()).toEqual([])
  })
})

describe('this machine', () => {
  it('sees a new listening socket, and adds up after Ctrl-C', async () => {
    const demo = start(['--seconds', '25', '--no-scenes'])
    let listener: ReturnType<typeof spawn> | undefined
    const path = join(directory, 'listener.sock')
    let told = false
    const { code, stdout, stderr } = await finish(demo, (output) => {
      if (listener === undefined && output.includes('were there before')) {
        const script = 'require("node:net").createServer().listen(process.argv[1])'
        listener = spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' })
      }
      if (!told && /^LOW .*listens on unix .*listener\.sock/m.test(output)) {
        told = true
        interruptTwice(demo)
      }
    })
    listener?.kill()
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\d+ new process(es)? and \d+ new listening sockets? of this machine/)
    expect(stdout).toMatch(/^LOW .*listens on unix .*listener\.sock/m)
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
    expect(socketDirectories()).toEqual([])
  })

  it('ends without an error when it is stopped at its very first line', async () => {
    const demo = start([])
    let told = false
    const { code, stderr } = await finish(demo, () => {
      if (!told) interruptTwice(demo)
      told = true
    })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(socketDirectories()).toEqual([])
  })
})

describe('the scenes', () => {
  it('show a refusal, a kill without loss, the shipped attacks, a burst and round trips, and add up', async () => {
    // The stranger has to come as far as the pipe.
    chmodSync(directory, 0o711)
    const { code, stdout, stderr } = await run('--seconds', '12', '--no-view')
    expect(stderr).toBe('')
    if (process.getuid?.() === 0) {
      expect(stdout).toMatch(/refuses pid \d+ of uid 61234 before a byte is read; the rule: not-listed$/m)
      expect(stdout).toMatch(/stranger {6}uid 61234 reached the pipe and was refused/)
    } else {
      expect(stdout).toContain('stranger: not shown: only root can start a process of another user')
    }
    expect(stdout).toMatch(/soc-correlate: is back: the journal has [\d,]+ events and \d+ incidents?/)
    for (const attack of [
      /^HIGH .*attack-tool .*Seatbelt\.exe/m,
      /^HIGH .*remote-task .*EventCacheManager/m,
    ]) {
      expect(stdout).toMatch(attack)
    }
    expect(stdout).toMatch(/^HIGH .*temporary-program .*harmless-program/m)
    expect(stdout).toMatch(
      /kill: soc-correlate killed in the middle of [\d,]+ events, and back in .*, and all are settled$/m,
    )
    expect(stdout).toMatch(/burst: [\d,]+ events \(the sample \d+ times\) in [\d.]+ s, each settled/)
    expect(stdout).toMatch(
      /by the one killed\n {2}[\d,]+ events sent, settled and finished: none lost, none twice\nadds up/,
    )
    expect(stdout).toMatch(/^adds up: yes$/m)
    expect(code).toBe(0)
    expect(socketDirectories()).toEqual([])
  })
})

describe('one stage beside the original programs', () => {
  it('takes events without numbers, and writes incidents that a plain receiver reads', async () => {
    const pipes = join(directory, 'sentinel-soc')
    mkdirSync(pipes, { mode: 0o700 })
    const listener = await listen('soc-correlate-to-respond', { directory: pipes })
    const demo = start(['--sentinel', 'correlate', '--no-view'])
    const finished = finish(demo)
    try {
      const sender = new Sender(
        await dialWithRetry('soc-ingest-to-correlate', 20, { directory: pipes }),
        'collector',
      )
      const event = { EventID: 1102, SourceName: 'Microsoft-Windows-Eventlog', SubjectUserName: 'mallory' }
      await sender.send(newSOCMessage(SOCMsgType.Event, event))
      const receiver = new Receiver(await listener.accept(), 'responder')
      // The sender states first what it is; a peer that does not know such heartbeats ignores them.
      let { value } = await receiver.next()
      while (value?.type === SOCMsgType.Heartbeat) ({ value } = await receiver.next())
      expect(value?.type).toBe(SOCMsgType.Incident)
      expect(value?.payload).toMatchObject({
        correlation_rule: 'log-cleared',
        severity: 'HIGH',
        title: 'security log cleared by mallory',
      })
      await sender.close()
      demo.kill('SIGINT')
      for await (const message of receiver) expect(message.type).toBe(SOCMsgType.Incident)
    } finally {
      listener.close()
    }
    const { code, stdout } = await finished
    expect(stdout).toContain('1 events taken, 0 refused; 1 incident')
    expect(code).toBe(0)
  })
})

describe('command line', () => {
  it('explains itself', async () => {
    const { code, stdout } = await run('--help')
    expect(stdout).toContain('Usage: npm run demo')
    expect(code).toBe(0)
  })

  it.each([
    [['--bogus'], "error: Unknown option '--bogus'"],
    [['--seconds', 'soon'], 'error: --seconds takes a number above 0'],
    [['-', '-'], 'error: standard input can be read only once'],
    [['--sentinel', 'all'], 'error: --sentinel takes ingest, correlate or respond, not "all"'],
  ])('refuses %j', async (args, message) => {
    const { code, stdout, stderr } = await run(...args)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
  })

  it('does not begin when a file is missing', async () => {
    const { code, stdout, stderr } = await run(join(directory, 'absent.log'))
    expect(stderr).toMatch(/^error: cannot read .*absent\.log: there is no such file$/m)
    expect(stdout).toBe('')
    expect(code).toBe(1)
  })
})
