// sentinel-ipc bridge: its arguments, --check, and both directions over a real server.

import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { BRIDGE_HELP } from '../../lib/bridge/command.js'
import { checkNats } from '../../lib/bridge/nats-check.js'
import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { run } from './bridges.js'
import { NatsServer, whyNoServer } from './nats-server.js'

describe('the arguments of sentinel-ipc bridge', () => {
  it('are explained by --help', async () => {
    const { code, out } = run('--help')
    expect(await code).toBe(0)
    expect(out()).toBe(BRIDGE_HELP)
  })

  it.each([
    [['--from', 'a'], '--from and --to are required'],
    [['--from', 'a', '--to', 'b'], 'one of --from and --to must be a local name'],
    [['--from', 'nats://a', '--to', 'tls://b'], 'one of --from and --to must be a local name'],
    [['--form', 'a', '--to', 'nats://b'], 'did you mean --from?'],
    [['--from', 'nats://a', '--to', 'b', '--spool', 'c'], '--spool is for the way out'],
    [['--from', 'a', '--to', 'nats://b', '--consumer', 'c'], '--consumer is for the way in'],
    [['--from', 'a', '--to', 'nats://b', '--fsync'], '--spool-bytes and --fsync need --spool'],
    [['--from', 'a', '--to', 'nats://b', '--prefix', 'x.>'], 'prefix must be letters'],
    [['--from', 'a', '--to', 'nats://b', '--creds', 'x', '--nkey', 'y'], 'either --creds or --nkey'],
  ])('%j are refused: %s', async (argv, text) => {
    const { code, errors } = run(...argv)
    expect(await code).toBe(2)
    expect(errors()).toContain(text)
  })

  it('that name a file which is not there fail with 1', async () => {
    const { code, errors } = run('--from', 'a', '--to', 'nats://b', '--creds', '/nowhere/creds')
    expect(await code).toBe(1)
    expect(errors()).toContain('/nowhere/creds')
  })

  it('that hold escape sequences do not reach the terminal as such', async () => {
    const { code, errors } = run(
      '--from',
      'a',
      '--to',
      'nats://b',
      '--creds',
      '/nowhere/\x1b]0;OWNED\x07\u202e',
    )
    expect(await code).toBe(1)
    expect(errors()).toContain('/nowhere/\\u001b]0;OWNED\\u0007\\u202e')
    expect(errors()).toMatch(/^[^\p{Cc}\p{Cf}]*\n$/u)
  })
})

async function server(directory: string, config = ''): Promise<NatsServer> {
  const started = await NatsServer.start(directory, config)
  onTestFinished(() => started.kill())
  return started
}

async function addStream(servers: string, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  const nc = await connect({ servers })
  await (await jetstreamManager(nc)).streams.add(config)
  await nc.close()
}

describe.skipIf(whyNoServer !== undefined)(`sentinel-ipc bridge${whyNoServer ?? ''}`, () => {
  it('runs both directions, and ends in order when it is told to', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    const out = run(
      '--from',
      'out',
      '--to',
      url,
      '--directory',
      directory,
      '--spool',
      join(directory, 'spool'),
    )
    const back = run('--from', url, '--to', 'test', '--directory', directory, '--stats', '0.05')
    const { ids } = await receiving(directory)
    const sender = new AcknowledgedSender('out', { directory, maxBackoffMs: 50 })
    for (let i = 0; i < 20; ++i) await sender.send(newSOCMessage('soc_event', i, { id: String(i) }))
    await until(() => ids.length === 20)
    await until(() => back.out().includes('"delivered":20'))
    out.stop()
    back.stop()
    expect(await out.code).toBe(0)
    expect(await back.code).toBe(0)
    expect(out.errors()).toContain('running\nclosed\n')
    await sender.close()
  }, 30_000)

  it('--check says that all is well, changes nothing, and returns 0', async () => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    const { code, out } = run('--from', url, '--to', 'x', '--check')
    expect(await code).toBe(0)
    expect(out()).toContain('there is no stream SENTINEL; the bridge makes it')
    const again = await checkNats({ servers: url })
    expect(again.some(({ text }) => text.includes('there is no stream'))).toBe(true)
  })

  it.each<[string, Partial<StreamConfig> & { name: string }, 'error' | 'warning', string]>([
    [
      'a stream under another name',
      { name: 'OTHER', subjects: ['sentinel.>'] },
      'error',
      'the stream OTHER takes subjects',
    ],
    ['other subjects', { name: 'SENTINEL', subjects: ['x.>'] }, 'error', 'does not take sentinel.>'],
    ['old messages deleted', { name: 'SENTINEL', subjects: ['sentinel.>'] }, 'warning', 'set discard to new'],
    [
      'few messages of a subject',
      { name: 'SENTINEL', subjects: ['sentinel.>'], max_msgs_per_subject: 1 },
      'error',
      'set it to -1',
    ],
    [
      'small messages',
      { name: 'SENTINEL', subjects: ['sentinel.>'], max_msg_size: 1000 },
      'warning',
      '1000 bytes at most',
    ],
    [
      'dead letters taken elsewhere',
      { name: 'ALL', subjects: ['sentinel_dead.>'] },
      'error',
      'belongs into SENTINEL_DEAD',
    ],
  ])('--check finds %s', async (_what, config, level, text) => {
    const directory = temporaryDirectory()
    const { url } = await server(directory)
    await addStream(url, config)
    const findings = await checkNats({ servers: url, consumer: 'c' })
    expect(findings).toContainEqual({ level, text: expect.stringContaining(text) as string })
    const { code } = run('--from', 'a', '--to', url, '--check')
    expect(await code).toBe(level === 'error' ? 1 : 0)
  })

  it('--check finds that there is no server, no JetStream, or no permission', async () => {
    const directory = temporaryDirectory()
    const nats = await server(directory, 'authorization { user: "u", password: "p" }')
    expect(await checkNats({ servers: nats.url })).toMatchObject([{ level: 'error', text: /no connection/ }])
    await nats.kill()
    const { code, out } = run('--from', 'a', '--to', nats.url, '--check')
    expect(await code).toBe(1)
    expect(out()).toMatch(/^error +no connection: .+ Check the address/)
  })
})
