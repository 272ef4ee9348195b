// checkNats, and `sentinel-ipc bridge --check`: each thing that can be wrong in NATS is found before anything flows, and nothing
// is changed. Credentials, TLS and permissions are in nats-secure.test.ts.

import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it, onTestFinished } from 'vitest'

import { checkNats, type NatsCheckOptions, type NatsFinding } from '../../lib/bridge/nats-check.js'
import { temporaryDirectory } from '../support/directory.js'
import { managing, run, server } from './bridges.js'
import { whyNoServer } from './nats-server.js'

type Level = NatsFinding['level']

const good: StreamConfig & { name: string } = {
  name: 'SENTINEL',
  subjects: ['sentinel.>'],
  discard: 'new',
} as StreamConfig

async function addStream(servers: string, config: object): Promise<void> {
  await managing(servers, (manager) => manager.streams.add({ ...good, ...config }))
}

async function expectFinding(options: NatsCheckOptions, level: Level, text: string): Promise<void> {
  const findings = await checkNats(options)
  expect(findings).toContainEqual({ level, text: expect.stringContaining(text) as string })
}

describe.skipIf(whyNoServer !== undefined)(`--check finds${whyNoServer ?? ''}`, () => {
  it.each<[string, object, Level, string]>([
    ['nothing wrong with a stream as the bridge makes it', {}, 'ok', 'stream SENTINEL: 0 messages'],
    ['a stream that does not acknowledge', { no_ack: true }, 'error', 'clear no_ack'],
    [
      'messages deleted once acknowledged',
      { retention: 'workqueue' },
      'warning',
      'deletes what was acknowledged',
    ],
    ['a stream in memory', { storage: 'memory' }, 'warning', 'is in memory'],
    ['a stream with one copy', {}, 'warning', 'has one copy'],
    ['a limit of each message', { max_msg_size: 5000 }, 'warning', '5000 bytes at most'],
    ['a stream that deletes the oldest', { discard: 'old' }, 'warning', 'set discard to new'],
  ])('%s', async (_what, config, level, text) => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, config)
    await expectFinding({ servers: url }, level, text)
  })

  it('a sealed stream', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, {})
    const sealed: object = { sealed: true } // what the types of the client lack
    await managing(url, (manager) => manager.streams.update('SENTINEL', sealed))
    await expectFinding({ servers: url }, 'error', 'is sealed')
  })

  it('a stream that is nearly full', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { max_bytes: 10_000 })
    const nc = await connect({ servers: url })
    for (let i = 0; i < 9; ++i) await nc.request('sentinel.a.b', 'x'.repeat(1000))
    await nc.close()
    await expectFinding({ servers: url }, 'warning', '% full')
  })

  it('a stream that is nearly full of messages', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { max_msgs: 10 })
    const nc = await connect({ servers: url })
    for (let i = 0; i < 9; ++i) await nc.request('sentinel.a.b', 'x')
    await nc.close()
    await expectFinding({ servers: url }, 'warning', '90 % full')
  })

  it('a stream that mirrors another one', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { name: 'ORIGIN', subjects: ['sentinel.>'] })
    const mirror: object = { name: 'SENTINEL', mirror: { name: 'ORIGIN' } }
    await managing(url, (manager) => manager.streams.add(mirror as typeof good))
    await expectFinding({ servers: url }, 'error', 'mirrors ORIGIN and takes nothing itself')
  })

  it.each([
    ['dead letters', 'SENTINEL_DEAD', 'sentinel_dead.>', {}],
    ['checkpoints', 'SENTINEL_STATE', 'sentinel_state.>', { consumer: 'c' }],
  ])(
    'a stream of %s that takes other subjects, or does not acknowledge',
    async (_what, name, takes, side) => {
      const { url } = await server(temporaryDirectory())
      await addStream(url, { name, subjects: ['elsewhere.>'], no_ack: true })
      const options = { servers: url, ...side }
      await expectFinding(options, 'error', `stream ${name} does not take ${takes}`)
      await expectFinding(options, 'error', `stream ${name} does not acknowledge`)
    },
  )

  it('checkpoints that another stream takes', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { name: 'ALL', subjects: ['sentinel_state.>'] })
    await expectFinding({ servers: url }, 'error', 'belongs into SENTINEL_STATE')
  })

  it('a program that answers in place of the stream', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { subjects: ['other.>'] })
    const nc = await connect({ servers: url })
    onTestFinished(() => nc.close())
    nc.subscribe('sentinel.>', { callback: (_error, asked) => void asked.respond('{}') })
    await nc.flush()
    await expectFinding({ servers: url, host: 'h' }, 'error', 'goes to something that is not SENTINEL')
  })

  it('that it may not look, and says how far it got', async () => {
    const { url } = await server(
      temporaryDirectory(),
      `authorization { users: [ { user: u, password: p,
        permissions { publish: ["$JS.API.INFO"], subscribe: ["_INBOX.>"] } } ] }`,
    )
    const findings = await checkNats({ servers: url, connection: { user: 'u', pass: 'p' } })
    expect(findings.at(-1)).toMatchObject({
      level: 'error',
      text: /^the check ended early: .*Permissions? Violation/i,
    })
    expect(findings.length).toBeGreaterThan(1)
  }, 30_000)

  it.each<[string, Partial<ConsumerConfig>, Level, string]>([
    ['a consumer as the bridge makes it', { ack_policy: 'all' }, 'ok', 'consumer c: 0 messages to come'],
    ['a consumer without the data', { headers_only: true }, 'error', 'delivers headers only'],
    ['a consumer of other subjects', { filter_subject: 'sentinel.a.>' }, 'error', 'reads sentinel.a.>, and'],
    ['a consumer with explicit acknowledgement', {}, 'ok', 'consumer c: 0 messages to come'],
    ['a consumer that pushes', { deliver_subject: 'x' }, 'error', 'pushes'],
    ['a consumer without acknowledgement', { ack_policy: 'none' }, 'error', 'takes no acknowledgements'],
    ['a consumer that gives messages up', { max_deliver: 3 }, 'warning', 'after 3 deliveries'],
  ])('%s', async (_what, config, level, text) => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, {})
    await managing(url, (manager) =>
      manager.consumers.add('SENTINEL', { durable_name: 'c', ack_policy: 'explicit', ...config }),
    )
    await expectFinding({ servers: url, consumer: 'c' }, level, text)
  })

  it('a consumer of all hosts, where the way in wants those of one', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, {})
    await managing(url, (manager) =>
      manager.consumers.add('SENTINEL', {
        durable_name: 'c',
        ack_policy: 'all',
        filter_subject: 'sentinel.>',
      }),
    )
    const text = 'reads sentinel.>, and the bridge wants sentinel.h%2e1.>'
    await expectFinding({ servers: url, consumer: 'c', host: 'h.1' }, 'error', text)
    const { code, out } = run('--from', url, '--to', 'x', '--consumer', 'c', '--host', 'h.1', '--check')
    expect([await code, out()]).toEqual([1, expect.stringContaining(text)])
  })

  it('a consumer that is not there yet', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, {})
    await expectFinding({ servers: url, consumer: 'c' }, 'ok', 'there is no consumer c; the bridge makes it')
  })

  it('a server that takes only small messages', async () => {
    const { url } = await server(temporaryDirectory(), 'max_payload: 4096')
    await expectFinding({ servers: url }, 'warning', 'max_payload is 4096 bytes')
  })

  it('an account without JetStream, or without room for the stream', async () => {
    const { url } = await server(
      temporaryDirectory(),
      `accounts {
        PLAIN { users: [ { user: plain, password: p } ] }
        SMALL { jetstream { max_file: 100M, max_streams: 2 }, users: [ { user: small, password: p } ] }
      }`,
    )
    const as = (user: string): NatsCheckOptions => ({ servers: url, connection: { user, pass: 'p' } })
    await expectFinding(as('plain'), 'error', 'JetStream is not available')
    await expectFinding(as('small'), 'error', 'bytes left for streams')
    await expectFinding(as('small'), 'error', 'may have 2 more streams')
    await expectFinding({ ...as('small'), streamBytes: 1 << 20 }, 'ok', 'there is no stream SENTINEL')
  })

  it('messages that go to another stream, although this one is there', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, { subjects: ['other.>'] })
    await addStream(url, { name: 'OTHER', subjects: ['sentinel.>'] })
    await expectFinding({ servers: url, host: 'h' }, 'error', 'does not take sentinel.>')
  })

  it('that a host may publish, without storing anything', async () => {
    const { url } = await server(temporaryDirectory())
    await addStream(url, {})
    await expectFinding({ servers: url, host: 'h' }, 'ok', 'may publish to sentinel.h.check')
    const info = await managing(url, (manager) => manager.streams.info('SENTINEL'))
    expect(info.state.messages).toBe(0)
  })
})
