// The blocks of code of the reference pages, which are fragments: each is run as it stands between the lines that a reader would
// have around it. And a list of all pages with code, so that no block is left that nothing runs.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

import { NatsServer, whyNoServer } from '../bridge/nats-server.js'
import { temporaryDirectory } from '../support/directory.js'
import { startProgram } from '../support/program.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

function blocksOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```(?:js|ts)[^\n]*\n(.*?)^```$/gms)].map(([, code = '']) => code)
}

/** Pages whose blocks other tests run, all of them, by those tests. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  'README.md': 'samples.test.ts',
  'docs/delivery.md': 'samples.test.ts',
  'docs/metrics.md': '../unit/metrics/docs.test.ts',
  'docs/migrating.md': 'migrating-docs.test.ts',
  'docs/observing.md': 'observing-docs.test.ts',
  'docs/services.md': 'samples.test.ts',
  'docs/ten-minutes.md': 'ten-minutes.test.ts',
}

interface Fragment {
  readonly page: string
  /** A line of the block, which finds it. */
  readonly has: string
  /** What the reader has before it. Names that the block imports itself are not imported here. */
  readonly before?: string
  readonly after?: string
  /** What of the text stands for something of the reader's own, and what it is here. */
  readonly instead?: Readonly<Record<string, string>>
  readonly prints: readonly string[]
}

/** Two ends of a connection. */
const PAIR = `
const { dial, listen, newSOCMessage, Sender } = await import('sentinel-ipc')
const listener = await listen('sample', { directory })
const client = await dial('sample', { directory })
const connection = await listener.accept()
const sender = new Sender(client, 'sender')
`
const OWN_USER = { "'/run/soc'": 'directory' }
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const FRAGMENTS: readonly Fragment[] = [
  {
    page: 'docs/api.md',
    has: "message.field('/EventID') === 4625",
    before: `${PAIR}
      const { Receiver } = await import('sentinel-ipc')
      for (const EventID of [1, 4625]) await sender.send(newSOCMessage('soc_event', { EventID, host: { name: 'web' } }))
      await sender.close()`,
    after: 'listener.close()',
    prints: ['web'],
  },
  {
    page: 'docs/api.md',
    has: 'message.meta.tenant',
    before: `${PAIR}
      const { Receiver } = await import('sentinel-ipc')
      const event = {}
      const traceparent = '${TRACEPARENT}'
      const message = newSOCMessage('before', {}, { meta: { tenant: 'b' } })`,
    after: `
      const { value } = await new Receiver(connection, 'receiver').next()
      console.log(message.meta.tenant, value.meta.tenant, value.meta.traceparent)
      client.destroy()
      connection.destroy()
      listener.close()`,
    prints: [`b a ${TRACEPARENT}`],
  },
  {
    page: 'docs/api.md',
    has: 'extractTrace(api, message)',
    before: `${PAIR}
      const { extractTrace, injectTrace, Receiver } = await import('sentinel-ipc')
      const event = {}
      const tracer = api.trace.getTracer('sample')
      const message = newSOCMessage('before')`,
    after: `
      console.log((await new Receiver(connection, 'receiver').next()).value.type, span.isRecording())
      client.destroy()
      connection.destroy()
      listener.close()`,
    prints: ['soc_event false'],
  },
  {
    page: 'docs/api.md',
    has: 'server.close({ timeoutMs: 5000 })',
    instead: OWN_USER,
    after: `
      const { dial, newSOCMessage, Sender } = await import('sentinel-ipc')
      const sender = new Sender(await dial('events', { directory }), 'sender')
      await sender.send(newSOCMessage('soc_event', 'served'))
      while ([...server.connections].length === 0) await new Promise(setImmediate)
      await sender.close()
      process.kill(process.pid, 'SIGTERM')`,
    prints: ['served'],
  },
  {
    page: 'docs/api.md',
    has: "endpoint.request('lookup'",
    before: `${PAIR}
      const resolve = async (ip, signal) => (signal.aborted ? '' : \`host of \${ip}\`)
      const other = new Endpoint(client, 'other')
      other.respond('lookup', ({ payload }) => \`\${payload.ip} is there\`)`,
    after: `
      console.log(reply.payload, (await other.request('lookup', { ip: '10.0.0.2' })).payload)
      await endpoint.close()
      await other.close()
      listener.close()`,
    prints: ["10.0.0.1 is there { host: 'host of 10.0.0.2' }"],
  },
  {
    page: 'docs/api.md',
    has: '// elsewhere',
    before: "const { exposeStats, readStats } = await import('sentinel-ipc')",
    instead: {
      ...OWN_USER,
      "'soc'": 'process.getgid()',
      "['collector']": '[process.getuid()]',
    },
    after: 'console.log(snapshot.name); await stats.close()',
    prints: ['collector'],
  },
  {
    page: 'docs/cli.md',
    has: "await exposeStats('collector'",
    instead: OWN_USER,
    after: "console.log((await (await import('sentinel-ipc')).readStats('collector', { directory })).name)",
    prints: ['collector'],
  },
  {
    page: 'docs/collectors.md',
    has: 'rawJSON(line)',
    before: `
      const { AcknowledgingReceiver, listen, serve } = await import('sentinel-ipc')
      const { writeFileSync } = await import('node:fs')
      writeFileSync(directory + '/events.ndjson', '{"id":12345678901234567890}\\n{"cut off\\n{"id":2}\\n')
      const server = serve(await listen('events', { directory }), async (connection) => {
        for await (const { rawPayload } of new AcknowledgingReceiver(connection, 'r')) console.log(rawPayload)
      })`,
    instead: {
      ...OWN_USER,
      "'/var/lib/soc/spool'": '`${directory}/spool`',
      "'events.ndjson'": '`${directory}/events.ndjson`',
    },
    after: 'await server.close()',
    prints: ['{"id":12345678901234567890}', '{"id":2}', '1 2'],
  },
  {
    page: 'docs/collectors.md',
    has: "onFull: 'shed'",
    before: `
      const { listen, Receiver, serve } = await import('sentinel-ipc')
      let incidents = 0
      const server = serve(await listen('events', { directory }), async (connection) => {
        for await (const { type } of new Receiver(connection, 'r')) if (type === 'soc_incident') ++incidents
      })`,
    instead: OWN_USER,
    after: 'await server.close(); console.log(incidents)',
    prints: ['10001 5905', 'true', '1'],
  },
  {
    page: 'docs/hardening.md',
    has: '// correlator, as user correlator',
    before: "const { dial, listen } = await import('sentinel-ipc')",
    instead: {
      ...OWN_USER,
      "group: 'soc'": 'group: process.getgid()',
      "['collector']": '[process.getuid()]',
      "['correlator']": '[process.getuid()]',
    },
    after: "console.log('they meet'); process.exit()",
    prints: ['they meet'],
  },
  {
    page: 'docs/hardening.md',
    has: 'const [socket] = listenFds()',
    before: "const { listen, listenFds, notify, watchdog } = await import('sentinel-ipc')",
    instead: OWN_USER,
    after: 'console.log(socket, listener.address === `${directory}/events.sock`); listener.close()',
    prints: ['undefined true'],
  },
  {
    page: 'docs/swarm.md',
    has: 'const synced = await swarm.dial({ signal })',
    before: 'const controller = new AbortController()\nconst { signal } = controller',
    instead: {
      ...OWN_USER,
      "'/var/lib/soc/facts'": '`${directory}/facts`',
      "'/var/lib/soc/peers.json'": '`${directory}/peers.json`',
    },
    after: 'console.log(synced, swarm.isListening); controller.abort(); await store.close()',
    prints: ['false true'],
  },
]

/** These two run as users in containers. */
const RUN_AS_CONTAINERS = ['// correlator.mjs', '// collector.mjs']
const FLEET = 'const out = await OutBridge.open({'

it('no block of code is left that nothing runs', () => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((file) => `docs/${file}`)]
  for (const page of pages.filter((file) => file.endsWith('.md') && !(file in RUN_ELSEWHERE))) {
    const left = blocksOf(page).filter((block) => {
      if (FRAGMENTS.some((fragment) => fragment.page === page && block.includes(fragment.has))) return false
      if (page === 'docs/hardening.md') return !RUN_AS_CONTAINERS.some((line) => block.startsWith(line))
      return !(page === 'docs/fleet.md' && block.includes(FLEET))
    })
    expect(left, page).toEqual([])
  }
})

let programs = 0

/** Runs a fragment with its surroundings. Resolves with what it printed. */
async function run(fragment: Omit<Fragment, 'prints'>): Promise<readonly string[]> {
  const { page, has, before = '', after = '', instead = {} } = fragment
  let block = blocksOf(page).find((text) => text.includes(has)) ?? ''
  for (const [text, own] of Object.entries(instead)) {
    expect(block).toContain(text)
    block = block.replaceAll(text, own)
  }
  const [, imports = '', code = ''] = /^((?:import [^\n]*\n)*)(.*)$/s.exec(block) ?? []
  const folder = join(root, 'out/samples')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `snippet-${process.pid}-${++programs}.mjs`)
  const directory = `const directory = ${JSON.stringify(temporaryDirectory())}`
  writeFileSync(path, [imports, directory, before, code, after].join('\n'))
  onTestFinished(() => {
    rmSync(path, { force: true })
  })
  const program = startProgram(process.execPath, [path], { cwd: root })
  const status = await program.ended
  expect([status, program.errors]).toEqual([0, ''])
  return program.lines
}

const posix = process.platform !== 'win32'
it
  .skipIf(!posix)
  .each(FRAGMENTS.map((fragment) => ({ ...fragment, name: `${fragment.page}: ${fragment.has}` })))(
  `$name${posix ? '' : ' (skipped: addresses of POSIX)'}`,
  async (fragment) => {
    expect(await run(fragment)).toEqual(fragment.prints)
  },
)

it.skipIf(whyNoServer !== undefined)(
  `docs/fleet.md: both bridges open${whyNoServer === undefined ? '' : ` (${whyNoServer})`}`,
  async () => {
    const server = await NatsServer.start(temporaryDirectory())
    onTestFinished(() => server.kill())
    const lines = await run({
      page: 'docs/fleet.md',
      has: FLEET,
      before: 'process.env.SENTINEL_IPC_DIRECTORY = directory',
      instead: {
        "'nats://broker:4222'": JSON.stringify(server.url),
        "'/var/lib/sentinel/bridge'": '`${directory}/spool`',
      },
      after: `
        const { AcknowledgedSender, newSOCMessage, listen, AcknowledgingReceiver } = await import('sentinel-ipc')
        const listener = await listen('correlate')
        const sender = new AcknowledgedSender('ingest')
        console.log((await sender.send(newSOCMessage('soc_event', 'over the broker'))).status)
        const receiver = new AcknowledgingReceiver(await listener.accept(), 'receiver')
        console.log((await receiver.next()).value.payload)
        process.exit()`,
    })
    expect(lines).toEqual(['acknowledged', 'over the broker'])
  },
)
