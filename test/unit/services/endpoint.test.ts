// Endpoint: requests and replies both ways over one connection, bounded, withdrawn and ended; and what a hostile peer can do.

import { getEventListeners } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { IpcError } from '../../../lib/base/errors.js'
import { dial } from '../../../lib/connection/dial.js'
import { listen } from '../../../lib/connection/listener.js'
import { newSOCMessage, rawJSON } from '../../../lib/message/new-message.js'
import { Endpoint, type EndpointOptions } from '../../../lib/services/endpoint.js'
import { serve } from '../../../lib/services/server.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { servePlainly } from '../../support/plain-server.js'
import { socketIn } from '../../support/platform.js'
import { rejectionOf, until } from '../../support/wait.js'

async function endpoints(
  client: EndpointOptions = {},
  server: EndpointOptions = {},
): Promise<{ asker: Endpoint; replier: Endpoint }> {
  const pair = await connectedPair()
  return {
    asker: new Endpoint(pair.client, 'asker', client),
    replier: new Endpoint(pair.server, 'replier', server),
  }
}

/** An endpoint whose peer sends what the test wants; `lines` is what it has received. */
async function rawEndpoint(
  options: EndpointOptions = {},
): Promise<{ endpoint: Endpoint; socket: Socket; lines: string[] }> {
  const directory = temporaryDirectory()
  const lines: string[] = []
  let socket: Socket | undefined
  await servePlainly(socketIn(directory), (accepted) => {
    socket = accepted
    let rest = ''
    accepted.on('data', (bytes) => {
      const parts = (rest + bytes.toString()).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts)
    })
  })
  const connection = await dial('test', { directory })
  onTestFinished(() => {
    connection.destroy()
  })
  await until(() => socket !== undefined)
  return { endpoint: new Endpoint(connection, 'endpoint', options), socket: socket as Socket, lines }
}

function payloadOf(line: string | undefined): Record<string, unknown> {
  return (JSON.parse(line ?? '{}') as { payload: Record<string, unknown> }).payload
}

/** A thenable of another library, which rejects with what need not be an error. */
function rejecting(reason: unknown): unknown {
  return {
    then: (_fulfilled: unknown, rejected: (reason: unknown) => void) => {
      rejected(reason)
    },
  }
}

describe('Endpoint.request', () => {
  it('resolves with what the handler returned', async () => {
    const { asker, replier } = await endpoints()
    replier.respond<number[]>('sum', ({ payload }) => payload.reduce((a, b) => a + b))
    replier.respond('later', async ({ payload }) => Promise.resolve({ got: payload, __proto__: null }))
    replier.respond('nothing', () => undefined)
    replier.respond('raw', () => rawJSON('{"n":12345678901234567890}'))
    const sum = await asker.request<number>('sum', [1, 2, 3])
    expect(sum.payload).toBe(6)
    expect(sum.type).toBe('soc_reply')
    expect(sum.peer?.pid).toBe(process.pid)
    expect((await asker.request('later', 'x')).payload).toEqual({ got: 'x' })
    expect((await asker.request('nothing')).payload).toBeUndefined()
    expect((await asker.request('raw')).rawPayload).toBe('{"n":12345678901234567890}')
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0, unknownReplies: 0 })
    expect(replier.stats).toMatchObject({ handling: 0, handlingBytes: 0, handled: 4, refused: 0 })
  })

  it('works both ways at once, beside messages', async () => {
    const { asker, replier } = await endpoints()
    asker.respond('double', ({ payload }) => (payload as number) * 2)
    replier.respond('ask back', async ({ payload }) => (await replier.request('double', payload)).payload)
    const [reply] = await Promise.all([
      asker.request('ask back', 21),
      asker.send(newSOCMessage('soc_event', 'a', { id: '1' })),
      replier.send(newSOCMessage('soc_event', 'b', { id: '2' })),
    ])
    expect(reply.payload).toBe(42)
    expect((await replier.messages.next()).value?.payload).toBe('a')
    expect((await asker.messages.next()).value?.payload).toBe('b')
  })

  it('has 10,000 under way', async () => {
    const { asker, replier } = await endpoints()
    const release: (() => void)[] = []
    replier.respond('echo', async ({ payload }) => {
      await new Promise<void>((resolve) => release.push(resolve))
      return payload
    })
    const replies = Promise.all(Array.from({ length: 10_000 }, (_, i) => asker.request<number>('echo', i)))
    await until(() => release.length === 10_000)
    expect(asker.stats.pending).toBe(10_000)
    expect(replier.stats.handling).toBe(10_000)
    for (const go of release.reverse()) go()
    expect((await replies).map(({ payload }) => payload)).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
  })

  it('rejects with the error of the handler, without its stack', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('missing', () => {
      throw Object.assign(new Error('no such\nhost'), { code: 'ENOENT' })
    })
    replier.respond('plain', () => Promise.reject(new TypeError('broken')))
    replier.respond('odd', () => rejecting('a string'))
    const hostile = {
      get code(): string {
        throw new Error('code')
      },
      toString(): string {
        throw new Error('text')
      },
    }
    replier.respond('hostile', () => rejecting(hostile))
    replier.respond('function', () => () => 1)
    replier.respond('cycle', () => {
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      return cycle
    })
    replier.respond('huge', () => 'x'.repeat(2_000_000))
    replier.respond('not json', () => rawJSON('{'))
    const error = await rejectionOf(asker.request('missing'))
    expect(error).toBeInstanceOf(IpcError)
    expect(error).toMatchObject({
      code: 'ERR_IPC_REMOTE',
      reason: 'ENOENT',
      remote: { code: 'ENOENT', message: 'no such\nhost' },
      message: 'asker: the peer replied to missing with ENOENT: no such\\u000ahost',
    })
    const codes = []
    for (const type of ['plain', 'odd', 'hostile', 'function', 'cycle', 'huge', 'not json', 'unknown']) {
      const { remote } = (await rejectionOf(asker.request(type))) as IpcError
      expect(JSON.stringify(remote)).not.toMatch(/endpoint\.test|at .*:\d+/)
      codes.push(remote?.code)
    }
    expect(codes).toEqual([
      'ERR_IPC_HANDLER_FAILED',
      'ERR_IPC_HANDLER_FAILED',
      'ERR_IPC_HANDLER_FAILED',
      'ERR_IPC_INVALID_MESSAGE',
      'ERR_IPC_INVALID_MESSAGE',
      'ERR_IPC_MESSAGE_TOO_LARGE',
      'ERR_IPC_INVALID_MESSAGE',
      'ERR_IPC_UNKNOWN_REQUEST',
    ])
    expect(replier.stats).toMatchObject({ handling: 0, handlingBytes: 0 })
  })

  it('rejects a request that cannot be sent', async () => {
    const { asker } = await endpoints()
    await expect(asker.request('soc_reply')).rejects.toThrow(/soc_reply is reserved/)
    await expect(asker.request('')).rejects.toThrow(TypeError)
    await expect(asker.request('t', () => 1)).rejects.toThrow(TypeError)
    await expect(asker.request('t', 1, { timeOutMs: 1 } as never)).rejects.toThrow(/did you mean timeoutMs/)
    await expect(asker.request('t', rawJSON('{'))).rejects.toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    await expect(asker.request('t', 'x'.repeat(2_000_000))).rejects.toMatchObject({
      code: 'ERR_IPC_MESSAGE_TOO_LARGE',
    })
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
  })

  it('times out, each request at its own time, and tells the handler', async () => {
    const { asker, replier } = await endpoints({ timeoutMs: 60 })
    const reasons: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => undefined)
    })
    const order: number[] = []
    await Promise.all(
      [200, undefined, 120, 20, 160].map(async (timeoutMs) => {
        const error = await rejectionOf(
          asker.request('never', 1, timeoutMs === undefined ? {} : { timeoutMs }),
        )
        expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
        order.push(timeoutMs ?? 60)
      }),
    )
    expect(order).toEqual([20, 60, 120, 160, 200])
    await until(() => reasons.length === 5)
    expect(reasons[0]).toMatchObject({ code: 'ERR_IPC_ABORTED' })
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
  })

  it('does not take a stall of this process for a silence of the peer', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('quick', () => 1)
    const reply = asker.request('quick', 1, { timeoutMs: 50 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const busy = asker.request('quick', 1, { timeoutMs: 50 })
    const end = performance.now() + 150
    while (performance.now() < end);
    expect((await reply).payload).toBe(1)
    expect((await busy).payload).toBe(1)
  })

  it('is withdrawn by a signal, with one listener for all requests of a signal', async () => {
    const { asker, replier } = await endpoints()
    const fired: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => fired.push(1))
      return new Promise(() => undefined)
    })
    replier.respond('quick', () => 1)
    const controller = new AbortController()
    const { signal } = controller
    await asker.request('quick', 1, { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const requests = Array.from({ length: 20 }, () => rejectionOf(asker.request('never', 1, { signal })))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await until(() => replier.stats.handling === 20)
    controller.abort('enough')
    for (const error of await Promise.all(requests)) {
      expect(error).toMatchObject({ code: 'ERR_IPC_ABORTED', cause: 'enough' })
    }
    await until(() => fired.length === 20)
    expect(await rejectionOf(asker.request('never', 1, { signal }))).toMatchObject({
      code: 'ERR_IPC_ABORTED',
    })
  })

  it('does not reply to a request that was withdrawn', async () => {
    const { asker, replier } = await endpoints()
    let finish!: (value: unknown) => void
    replier.respond('slow', () => new Promise((resolve) => (finish = resolve)))
    replier.respond('quick', () => 1)
    await rejectionOf(asker.request('slow', 1, { timeoutMs: 20 }))
    await asker.request('quick')
    expect(replier.stats.handling).toBe(1) // it takes memory until it returns
    finish('late')
    await asker.request('quick')
    expect(replier.stats.handling).toBe(0)
    expect(asker.stats.unknownReplies).toBe(0)
  })

  it('rejects all requests at once when the peer ends', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('never', () => new Promise(() => undefined))
    const requests = Array.from({ length: 1000 }, () => rejectionOf(asker.request('never')))
    await until(() => replier.stats.handling === 1000)
    replier.connection.destroy()
    for (const error of await Promise.all(requests)) expect(error).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(asker.stats).toMatchObject({ pending: 0, pendingBytes: 0 })
    expect(await rejectionOf(asker.request('never'))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect((await asker.messages.next()).done).toBe(true)
  })

  it('is refused when the bound is reached, here and at the peer', async () => {
    const { asker, replier } = await endpoints({ maxPendingBytes: 100_000 }, { maxPendingBytes: 20_000 })
    replier.respond('never', () => new Promise(() => undefined))
    const errors: IpcError[] = []
    for (let i = 0; i < 1000; ++i) {
      asker.request('never', 'x'.repeat(300)).catch((error: unknown) => errors.push(error as IpcError))
    }
    await until(() => errors.length > 900)
    const here = errors.filter(({ code }) => code === 'ERR_IPC_BUFFER_FULL')
    const there = errors.filter(({ remote }) => remote?.code === 'ERR_IPC_BUFFER_FULL')
    expect(here.length).toBeGreaterThan(700)
    expect(here[0]?.message).toMatch(/raise maxPendingBytes \(100000\)/)
    expect(there.length).toBeGreaterThan(50)
    expect(asker.stats.pendingBytes).toBeLessThanOrEqual(100_000)
    expect(replier.stats.handlingBytes).toBeLessThanOrEqual(20_000)
    expect(replier.stats.refused).toBe(there.length)
  })
})

describe('Endpoint.send', () => {
  it('keeps as many bytes as maxPendingBytes allows', async () => {
    const { endpoint, socket } = await rawEndpoint({ maxPendingBytes: 32 << 20 })
    socket.pause()
    const errors: unknown[] = []
    for (let i = 0; i < 24; ++i) {
      endpoint
        .send(newSOCMessage('large', 'x'.repeat(500_000)))
        .catch((error: unknown) => errors.push((error as IpcError).code))
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(errors).toEqual([])
    socket.resume()
    await endpoint.close()
  })
})

describe('Endpoint.respond', () => {
  it('takes one handler a type, and no reserved type', async () => {
    const { replier } = await endpoints()
    replier.respond('a', () => 1)
    expect(() => {
      replier.respond('a', () => 1)
    }).toThrow(/replier: a has a handler already/)
    expect(() => {
      replier.respond('soc_cancel', () => 1)
    }).toThrow(/reserved/)
    expect(() => {
      replier.respond('b', 1 as never)
    }).toThrow(/handler of b must be a function/)
  })

  it('tells a request by its type or its id', async () => {
    const { endpoint, socket, lines } = await rawEndpoint()
    endpoint.respond('ask', ({ payload }) => payload)
    socket.write('{"type":"ask","id":"go-1","ts":1,"payload":1}\n') // a handler and an id
    socket.write('{"type":"ask","ts":1,"payload":2}\n') // no id to reply to
    socket.write('{"type":"other","id":"req-9","ts":1,"payload":3}\n') // an unknown type
    socket.write('{"type":"other","id":"9","ts":1,"payload":4}\n')
    expect((await endpoint.messages.next()).value?.payload).toBe(2)
    expect((await endpoint.messages.next()).value?.payload).toBe(4)
    await until(() => lines.length === 2)
    expect(payloadOf(lines[0])).toEqual({ request: 'go-1', value: 1 })
    expect(payloadOf(lines[1])).toEqual({
      request: 'req-9',
      error: { code: 'ERR_IPC_UNKNOWN_REQUEST', message: 'there is no handler for other' },
    })
  })

  it('survives a handler that closes, sends and asks within itself', async () => {
    const { asker, replier } = await endpoints()
    asker.respond('ping', () => 'pong')
    replier.respond('reenter', async () => {
      void replier.send(newSOCMessage('soc_event', 'from within'))
      const closing = replier.close()
      const error = await rejectionOf(replier.request('ping'))
      void closing
      return (error as IpcError).code
    })
    expect((await asker.request('reenter')).payload).toBe('ERR_IPC_CLOSED')
    expect((await asker.messages.next()).value?.payload).toBe('from within')
    await replier.whenClosed()
  })
})

describe('A hostile peer', () => {
  it('that replies twice, late, or to forged ids changes nothing', async () => {
    const { endpoint, socket, lines } = await rawEndpoint()
    const reply = endpoint.request('x')
    await until(() => lines.length === 1)
    const { id } = JSON.parse(lines[0] ?? '') as { id: string }
    for (const payload of [
      { request: 'req-999', value: 0 },
      { request: '__proto__', value: 0 },
      { value: 0 },
      { request: 1, value: 0 },
      null,
      [],
      { request: id, value: 'first' },
      { request: id, value: 'second' },
      { request: id, error: { code: 'E', message: '' } },
    ]) {
      socket.write(`${JSON.stringify({ type: 'soc_reply', ts: 1, payload })}\n`)
    }
    socket.write('{"type":"soc_reply","ts":1}\n{"type":"soc_cancel","ts":1}\n')
    socket.write('{"type":"soc_cancel","ts":1,"payload":{"request":"req-1"}}\n')
    expect((await reply).payload).toBe('first')
    await until(() => endpoint.stats.unknownReplies === 9)
    const again = endpoint.request('x')
    await until(() => lines.length === 2)
    const next = (JSON.parse(lines[1] ?? '') as { id: string }).id
    expect(next).not.toBe(id)
    socket.write(`{"type":"soc_reply","ts":1,"payload":{"request":"${next}","value":null}}\n`)
    expect((await again).payload).toBeNull()
  })

  it.each([
    ['{"request":ID,"value":1,"more":2}', 1],
    ['{"value":[1,2],"request":ID}', [1, 2]],
    ['{ "request" : ID , "value" : "x" }', 'x'],
    ['{"request":ID,"value":1,"value":2}', 2],
    ['{"request":ID,"value":{"__proto__":{"polluted":1}}}', {}],
    ['{"request":ID,"value":{"\\u005f_proto__":{"polluted":1}}}', {}],
    ['{"request":ID}', undefined],
  ])('that lays its reply out as %s is understood', async (layout, value) => {
    const { endpoint, socket, lines } = await rawEndpoint()
    const reply = endpoint.request('x')
    await until(() => lines.length === 1)
    const { id } = JSON.parse(lines[0] ?? '') as { id: string }
    socket.write(`{"type":"soc_reply","ts":1,"payload":${layout.replace('ID', JSON.stringify(id))}}\n`)
    const { payload } = await reply
    expect(payload).toEqual(value)
    expect((payload as { polluted?: unknown } | undefined)?.polluted).toBeUndefined()
  })

  it.each([
    ['{"code":"E","message":"m"}', { code: 'E', message: 'm' }],
    ['{"code":5}', { code: 'ERR_IPC_HANDLER_FAILED', message: '' }],
    ['null', { code: 'ERR_IPC_HANDLER_FAILED', message: '' }],
    [
      `{"code":"${'c'.repeat(500)}","message":"${'m'.repeat(5000)}"}`,
      { code: 'c'.repeat(128), message: 'm'.repeat(1024) },
    ],
  ])('that replies with the error %# is understood', async (error, remote) => {
    const { endpoint, socket, lines } = await rawEndpoint()
    const failure = rejectionOf(endpoint.request('x'))
    await until(() => lines.length === 1)
    const { id } = JSON.parse(lines[0] ?? '') as { id: string }
    socket.write(`{"type":"soc_reply","ts":1,"payload":{"request":"${id}","error":${error}}}\n`)
    expect(await failure).toMatchObject({ code: 'ERR_IPC_REMOTE', remote })
  })

  it('that floods with requests and withdraws them runs a bounded number of handlers', async () => {
    const { endpoint, socket, lines } = await rawEndpoint({ maxPendingBytes: 50_000 })
    let most = 0
    endpoint.respond('never', () => {
      most = Math.max(most, endpoint.stats.handling)
      return new Promise(() => undefined)
    })
    for (let i = 0; i < 5000; ++i) {
      socket.write(`{"type":"never","id":"${i}","ts":1,"payload":1}\n`)
      socket.write(`{"type":"soc_cancel","ts":1,"payload":{"request":"${i}"}}\n`)
    }
    await until(() => endpoint.stats.handled + endpoint.stats.refused === 5000)
    expect(most).toBeLessThan(100)
    expect(endpoint.stats.handlingBytes).toBeLessThanOrEqual(50_000)
    await until(() => lines.length === endpoint.stats.refused)
  })

  it('that uses an id twice at once gets an error for the second', async () => {
    const { endpoint, socket, lines } = await rawEndpoint()
    let finish!: (value: unknown) => void
    endpoint.respond('slow', () => new Promise((resolve) => (finish = resolve)))
    socket.write('{"type":"slow","id":"1","ts":1}\n{"type":"slow","id":"1","ts":1}\n')
    await until(() => lines.length === 1)
    expect(payloadOf(lines[0])).toMatchObject({ error: { code: 'ERR_IPC_DUPLICATE_REQUEST' } })
    finish('done')
    await until(() => lines.length === 2)
    expect(payloadOf(lines[1])).toEqual({ request: '1', value: 'done' })
  })

  it('that asks and never reads is read no further, and costs a bounded amount of memory', async () => {
    const { endpoint, socket } = await rawEndpoint({ maxPendingBytes: 100_000 })
    endpoint.respond('large', () => 'x'.repeat(50_000))
    socket.pause()
    let taken = 0
    const line = '{"type":"large","id":"1","ts":1}\n'
    for (let i = 0; i < 100_000; ++i) socket.write(line, () => ++taken)
    // More than the kernel and the two receivers hold cannot be taken.
    await until(() => endpoint.stats.refused > 100)
    await new Promise((resolve) => setTimeout(resolve, 300))
    const { handled, refused } = endpoint.stats
    expect(handled + refused).toBeLessThan(2000)
    expect(taken).toBeLessThan(50_000)
  })

  it('that sends garbage ends the connection, which says why', async () => {
    const { endpoint, socket } = await rawEndpoint()
    const request = rejectionOf(endpoint.request('x'))
    socket.write('{"type":"soc_event","ts":1,"payload":7}\nno message\n')
    expect(await request).toMatchObject({
      code: 'ERR_IPC_CLOSED',
      cause: { code: 'ERR_IPC_INVALID_MESSAGE' },
    })
    expect((await endpoint.messages.next()).value?.payload).toBe(7)
    expect(await rejectionOf(endpoint.messages.next())).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE' })
    expect((await endpoint.messages.next()).done).toBe(true)
    await endpoint.whenClosed()
  })
})

describe('Endpoint.messages', () => {
  it('skips invalid lines if so configured', async () => {
    const { endpoint, socket } = await rawEndpoint({ receiver: { onInvalid: 'skip' } })
    socket.write('no message\n{"type":"soc_event","ts":1,"payload":7}\n')
    expect((await endpoint.messages.next()).value?.payload).toBe(7)
    expect(endpoint.connection.closed).toBe(false)
  })

  it('drops and counts unread messages beyond the bound', async () => {
    const { asker, replier } = await endpoints({}, { maxPendingBytes: 10_000 })
    replier.respond('ping', () => 'pong')
    for (let i = 0; i < 200; ++i) await asker.send(newSOCMessage('soc_event', 'x'.repeat(500)))
    expect((await asker.request('ping')).payload).toBe('pong')
    expect(replier.stats.dropped).toBeGreaterThan(150)
    expect((await replier.messages.next()).value?.payload).toBe('x'.repeat(500))
  })

  it('stops reading while the loop is slow, and loses nothing', async () => {
    const { asker, replier } = await endpoints({}, { maxPendingBytes: 10_000 })
    const total = 3000
    let seen = 0
    const reading = (async () => {
      for await (const { id } of replier.messages) {
        expect(id).toBe(String(seen++))
        if (seen % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
        if (seen === total) break
      }
    })()
    for (let i = 0; i < total; ++i) {
      await asker.send(newSOCMessage('soc_event', 'x'.repeat(500), { id: String(i) }))
    }
    await reading
    expect(replier.stats.dropped).toBe(0)
    replier.respond('ping', () => 'pong') // leaving the loop has not closed the connection
    expect((await asker.request('ping')).payload).toBe('pong')
  })
})

describe('Endpoint.close', () => {
  it('waits for requests and handlers, then closes', async () => {
    const { asker, replier } = await endpoints()
    replier.respond('slow', async () => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return 'done'
    })
    const reply = asker.request('slow')
    await until(() => replier.stats.handling === 1)
    const refused = asker.close()
    expect(await rejectionOf(asker.request('slow'))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect((await reply).payload).toBe('done')
    await refused
    await replier.whenClosed()
    await replier.close()
  })

  it('gives up after timeoutMs, and tells both sides', async () => {
    const { asker, replier } = await endpoints()
    const reasons: unknown[] = []
    replier.respond('never', (_message, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => undefined)
    })
    const request = rejectionOf(asker.request('never'))
    await until(() => replier.stats.handling === 1)
    expect(await rejectionOf(replier.close({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(await request).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(reasons).toHaveLength(1)
    await asker.close()
  })

  it('follows when a server drains', async () => {
    const directory = temporaryDirectory()
    const server = serve(await listen('test', { directory }), async (connection) => {
      const endpoint = new Endpoint(connection, 'server')
      endpoint.respond('slow', async () => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return 'done'
      })
      await endpoint.whenClosed()
    })
    const asker = new Endpoint(await dial('test', { directory }), 'client')
    const reply = asker.request('slow')
    await until(() => server.stats.open === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await server.close()).toEqual({ served: 1, aborted: 0 })
    expect((await reply).payload).toBe('done')
    await asker.whenClosed()
  })
})
