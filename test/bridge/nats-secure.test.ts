// Credentials and TLS over a real server, as the NATS client has them: certificates, nkeys, credentials files, permissions.
// Certificates are made with openssl, keys and tokens here.

import { nkeys } from '@nats-io/transport-node'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { BridgeEvent } from '../../lib/bridge/bridge.js'
import { bridgeCommand } from '../../lib/bridge/command.js'
import { checkNats } from '../../lib/bridge/nats-check.js'
import { NatsSink } from '../../lib/bridge/nats-sink.js'
import { idsTo, receiving } from '../support/delivery.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'
import { localSender, message, messagesTo, server, wayIn, wayOut } from './bridges.js'
import { whyNoServer } from './nats-server.js'

const why = ((): string | undefined => {
  if (whyNoServer !== undefined) return whyNoServer
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'skipped: openssl is not installed'
  }
})()

interface Certificates {
  readonly ca: string
  /** For a server at 127.0.0.1. */
  readonly server: readonly [cert: string, key: string]
  readonly client: readonly [cert: string, key: string]
}

/** Certificates of an authority that is made for this, valid for two days. */
function makeCertificates(at: string): Certificates {
  mkdirSync(at)
  const file = (name: string): string => join(at, name)
  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { stdio: 'ignore' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout']
  openssl(
    'req',
    '-x509',
    ...key,
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-days',
    '2',
    '-subj',
    '/CN=test-ca',
  )
  const sign = (name: string, extension: string): readonly [string, string] => {
    writeFileSync(file(`${name}.ext`), extension)
    openssl('req', ...key, file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`)
    const by = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
    const to = ['-extfile', file(`${name}.ext`), '-out', file(`${name}.pem`)]
    openssl('x509', '-req', '-in', file(`${name}.csr`), ...by, ...to)
    return [file(`${name}.pem`), file(`${name}.key`)]
  }
  return {
    ca: file('ca.pem'),
    server: sign('server', 'subjectAltName=IP:127.0.0.1,DNS:localhost'),
    client: sign('client', 'extendedKeyUsage=clientAuth'),
  }
}

function tlsConfig({ ca, server: [cert, key] }: Certificates, verify: boolean): string {
  return `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", verify: ${verify} }`
}

/** Runs `sentinel-ipc bridge` until the test ends. */
function command(...argv: string[]): { readonly code: Promise<number>; readonly output: () => string } {
  let output = ''
  const controller = new AbortController()
  const to = { write: (text: string) => (output += text) }
  const code = bridgeCommand(argv, { stdout: to, stderr: to, signal: controller.signal })
  onTestFinished(async () => {
    controller.abort()
    await code
  })
  return { code, output: () => output }
}

/** Sends 20 messages from the local name `out` to the local name `test` through bridges with these arguments of the command. */
async function carry(directory: string, url: string, ...credentials: string[]): Promise<void> {
  const { ids } = await receiving(directory)
  const bridges = [
    command('--from', 'out', '--to', url, '--directory', directory, ...credentials),
    command('--from', url, '--to', 'test', '--directory', directory, ...credentials),
  ]
  expect((await localSender(directory).sendBatch(messagesTo(20))).status).toBe('acknowledged')
  await until(() => ids.length >= 20).catch((cause: unknown) => {
    const outputs = bridges.map(({ output }) => output()).join('--\n')
    throw new Error(`${ids.length} of 20 messages arrived. The bridges said:\n${outputs}`, { cause })
  })
  expect(ids).toEqual(idsTo(20))
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** A token as NATS reads it: JWT with an nkey's signature. */
function token(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, name: string, nats: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const claims = { jti: name, iat, iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name, nats }
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`
}

/** A server that trusts an operator, and the text of a credentials file of a user of one of its accounts. */
function operatorMode(): { readonly config: string; readonly credentials: string } {
  const operator = nkeys.createOperator()
  const [system, account] = [nkeys.createAccount(), nkeys.createAccount()]
  const user = nkeys.createUser()
  const any = { subs: -1, data: -1, payload: -1 }
  const limits = { ...any, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
  const operatorToken = token(operator, operator, 'operator', {
    type: 'operator',
    version: 2,
    system_account: system.getPublicKey(),
  })
  const systemToken = token(operator, system, 'system', { type: 'account', version: 2, limits })
  const accountToken = token(operator, account, 'account', {
    type: 'account',
    version: 2,
    limits: { ...limits, ...storage },
  })
  const userToken = token(account, user, 'user', { type: 'user', version: 2, pub: {}, sub: {}, ...any })
  return {
    config: `operator: ${operatorToken}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${systemToken}
  ${account.getPublicKey()}: ${accountToken}
}`,
    credentials: `-----BEGIN NATS USER JWT-----
${userToken}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${text(user.getSeed())}
------END USER NKEY SEED------
`,
  }
}

describe.skipIf(why !== undefined)(`TLS between a bridge and NATS${why ?? ''}`, () => {
  it('carries messages, also across a restart of the server', async () => {
    const directory = temporaryDirectory()
    const certificates = makeCertificates(join(directory, 'tls'))
    const nats = await server(directory, tlsConfig(certificates, false))
    const connection = { tls: { caFile: certificates.ca } }
    const out = await wayOut(directory, nats.url, { sink: new NatsSink({ servers: nats.url, connection }) })
    const { ids } = await receiving(directory)
    await wayIn(directory, nats.url, { connection })
    const sender = localSender(directory)
    await sender.sendBatch(messagesTo(20))
    await nats.kill()
    const sent = sender.send(message(20))
    await nats.resume()
    expect((await sent).status).toBe('acknowledged')
    await until(() => ids.length >= 21, 20_000)
    expect(ids).toEqual(idsTo(21))
    expect(out.state).toBe('running')
  }, 60_000)

  it('ends the bridge when the certificate is not of a trusted authority, and --check says so', async () => {
    const directory = temporaryDirectory()
    const certificates = makeCertificates(join(directory, 'tls'))
    const others = makeCertificates(join(directory, 'others'))
    const { url } = await server(directory, tlsConfig(certificates, false))
    const connection = { tls: { caFile: others.ca } }
    const out = await wayOut(directory, url, { sink: new NatsSink({ servers: url, connection }) })
    await expect(out.ended).rejects.toMatchObject({ code: 'ERR_IPC_SYSTEM' })
    const [finding] = await checkNats({ servers: url, connection })
    expect(finding).toMatchObject({ level: 'error', text: /no connection.*certificate/ })
    const check = command('--from', 'a', '--to', url, '--check', '--tls-ca', others.ca)
    expect(await check.code).toBe(1)
  }, 60_000)

  it('takes a certificate of its own from the command line, which the server requires', async () => {
    const directory = temporaryDirectory()
    const certificates = makeCertificates(join(directory, 'tls'))
    const { url } = await server(directory, tlsConfig(certificates, true))
    const { ca, client } = certificates
    const check = command('--from', 'a', '--to', url, '--check', '--tls-ca', ca)
    expect(await check.code).toBe(1)
    await carry(directory, url, '--tls-ca', ca, '--tls-cert', client[0], '--tls-key', client[1])
  }, 60_000)
})

describe.skipIf(whyNoServer !== undefined)(`credentials of a bridge${whyNoServer ?? ''}`, () => {
  it('can be an nkey, and another nkey ends the bridge', async () => {
    const directory = temporaryDirectory()
    const user = nkeys.createUser()
    const { url } = await server(directory, `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`)
    const files = [user, nkeys.createUser()].map((pair, i) => {
      const file = join(directory, `seed-${i}`)
      writeFileSync(file, `${text(pair.getSeed())}\n`, { mode: 0o600 })
      return file
    }) as [string, string]
    await carry(directory, url, '--nkey', files[0])
    const other = command('--from', 'other', '--to', url, '--directory', directory, '--nkey', files[1])
    expect(await other.code).toBe(1)
    expect(other.output()).toContain('cannot connect to NATS')
    expect(await command('--from', 'a', '--to', url, '--check', '--nkey', files[0]).code).toBe(0)
  }, 60_000)

  it('can be a credentials file', async () => {
    const directory = temporaryDirectory()
    const { config, credentials } = operatorMode()
    const { url } = await server(directory, config)
    const file = join(directory, 'user.creds')
    writeFileSync(file, credentials, { mode: 0o600 })
    expect(readFileSync(file, 'utf8')).toContain('NATS USER JWT')
    await carry(directory, url, '--creds', file)
    const without = command('--from', 'other', '--to', url, '--directory', directory)
    expect(await without.code).toBe(1)
  }, 60_000)

  it('need no more permissions than those of one host', async () => {
    const directory = temporaryDirectory()
    const api = ['STREAM.INFO.SENTINEL', 'STREAM.INFO.SENTINEL_DEAD', 'STREAM.NAMES', 'INFO']
    const publish = ['sentinel.web-1.>', 'sentinel_dead.web-1.>', ...api.map((name) => `$JS.API.${name}`)]
    const config = `authorization { users: [
      { user: admin, password: a }
      { user: web, password: w, permissions: { publish: ${JSON.stringify(publish)}, subscribe: "_INBOX.>" } }
    ] }`
    const { url } = await server(directory, config)
    const admin = `nats://admin:a@${url.slice('nats://'.length)}`
    // An operator makes the streams. Here a bridge with all permissions does.
    const first = await wayOut(directory, admin, {
      sink: new NatsSink({ servers: url, connection: { user: 'admin', pass: 'a' } }),
    })
    await until(() => first.state === 'running')
    await first.close()
    const options = { servers: url, connection: { user: 'web', pass: 'w' }, ackTimeoutMs: 1000 }
    const allowed = await wayOut(directory, url, { sink: new NatsSink(options), host: 'web-1' })
    const sender = localSender(directory)
    expect((await sender.send(message(0))).status).toBe('acknowledged')
    expect(await checkNats({ ...options, host: 'web-1' })).toContainEqual({
      level: 'ok',
      text: 'may publish to sentinel.web-1.check',
    })
    await allowed.close()
    // In the name of another host it may not: the bridge waits, and says why.
    const events: BridgeEvent[] = []
    const onEvent = (event: BridgeEvent): void => void events.push(event)
    await wayOut(directory, url, { sink: new NatsSink(options), host: 'db-1', onEvent })
    void sender.send(message(1)).catch(() => undefined)
    const refused = 'does not permit a message to sentinel.db-1.soc_event'
    await until(() =>
      events.some((event) => event.type === 'state' && event.error?.message.includes(refused) === true),
    )
    expect(await checkNats({ ...options, host: 'db-1' })).toContainEqual({
      level: 'error',
      text: expect.stringContaining('cannot publish to sentinel.db-1.check') as string,
    })
  }, 60_000)
})
