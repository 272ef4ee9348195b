// `top --web`: a page for a browser on this machine. Loopback only; nothing is loaded from elsewhere; every request
// must carry the token and name a loopback host, so that no other page in the browser can read it (DNS rebinding).

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { randomHex } from '../../base/crypto.js'
import { monotonicMs } from '../../base/globals.js'
import { pause } from '../../base/timing.js'
import type { Context } from '../kit/command.js'
import { CommandError, ExitCode, usageError } from '../kit/exit-code.js'
import { History } from './history.js'
import { pageHtml } from './page.js'
import type { Sources } from './sources.js'

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])
const READ_TIMEOUT_MS = 2000

export interface WebAddress {
  readonly host: string
  readonly port: number
}

/** @throws CommandError for anything but a loopback address and a port */
export function parseWebAddress(text: string): WebAddress {
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? []
  if (!LOOPBACK.has(host) || Number(port) > 65_535) {
    throw usageError(
      `--web takes a loopback address and a port, such as 127.0.0.1:8080 or [::1]:0, not '${text}'`,
    )
  }
  return { host, port: Number(port) }
}

/** Serves the page until the signal fires. */
export async function serveWeb(
  where: WebAddress,
  sources: Sources,
  intervalMs: number,
  { out, signal }: Context,
): Promise<ExitCode> {
  const history = new History()
  const token = randomHex(16)
  const server = await listenAt(where, (request, response) => {
    respond(request, response, token, history, intervalMs)
  })
  const { port } = server.address() as AddressInfo
  await out.line(`http://${where.host}:${port}/?token=${token}`)
  try {
    while (!signal.aborted) {
      const startMs = monotonicMs()
      history.add(Date.now(), await sources.read(READ_TIMEOUT_MS))
      const leftMs = Math.max(10, intervalMs - (monotonicMs() - startMs))
      await pause(leftMs, signal, 'top').catch(() => undefined)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
  return ExitCode.ok
}

async function listenAt(
  { host, port }: WebAddress,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const { createServer } = await import('node:http')
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000, maxHeaderSize: 8192 }, onRequest)
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const why = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'the port is taken' : cause.message
      reject(
        new CommandError(
          ExitCode.failed,
          `the page cannot be served at ${host}:${port}: ${why}; use another port, or 0 for any`,
          cause,
        ),
      )
    })
    server.listen(port, host.replaceAll(/[[\]]/g, ''), () => {
      resolve(server)
    })
  })
}

function respond(
  { method, url = '', headers }: IncomingMessage,
  response: ServerResponse,
  token: string,
  history: History,
  intervalMs: number,
): void {
  const refuse = (status: number, text: string): void => {
    response.writeHead(status, { ...HEADERS, 'content-type': 'text/plain' }).end(`${text}\n`)
  }
  if (method !== 'GET') {
    refuse(405, 'GET only')
    return
  }
  const host = (headers.host ?? '').replace(/:\d+$/, '')
  if (!LOOPBACK.has(host)) {
    refuse(403, 'this page is for this machine only')
    return
  }
  // Not by `new URL`, which throws for targets such as `//`: a request must not be able to end the command.
  const [path, query] = url.split('?', 2)
  if (!isToken(new URLSearchParams(query).get('token') ?? '', token)) {
    refuse(403, 'the token is missing or wrong: open the address that sentinel-ipc top printed')
    return
  }
  if (path === '/') {
    const nonce = randomHex(16)
    response
      .writeHead(200, {
        ...HEADERS,
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': policy(nonce),
      })
      .end(pageHtml(nonce, intervalMs))
  } else if (path === '/data') {
    response.writeHead(200, { ...HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(history))
  } else {
    refuse(404, 'there is no such page')
  }
}

/** Compares in constant time, so that the duration does not reveal how much of the token is right. */
function isToken(given: string, token: string): boolean {
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto')
  const [one, other] = [Buffer.from(given), Buffer.from(token)]
  return one.length === other.length && timingSafeEqual(one, other)
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
