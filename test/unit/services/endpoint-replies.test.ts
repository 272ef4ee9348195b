// Endpoint: what a request resolves or rejects with, and which messages are requests.

import { describe, expect, it } from 'vitest'

import { IpcError } from '../../../lib/base/errors.js'
import { newSOCMessage, rawJSON, type RawJSON } from '../../../lib/message/new-message.js'
import { endpoints, payloadOf, rawEndpoint } from '../../support/endpoints.js'
import { rejectionOf, until } from '../../support/wait.js'

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

  it('has the compiler check what a typed handler returns', async () => {
    const { asker, replier } = await endpoints()
    replier.respond<{ text: string }, number>('length', ({ payload }) => payload.text.length)
    replier.respond<unknown, number | RawJSON>('raw', () => rawJSON('7'))
    // @ts-expect-error: a string is not a number
    replier.respond<unknown, number>('wrong', () => 'seven')
    expect((await asker.request<number>('length', { text: 'four' })).payload).toBe(4)
    expect((await asker.request<number>('raw')).payload).toBe(7)
    expect((await asker.request('wrong')).payload).toBe('seven')
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
    const { asker, replier } = await endpoints({ timeoutMs: 60_000 })
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
      remote: { code: 'ENOENT', message: 'no such\nhost' },
      message: 'asker: the peer replied to missing with ENOENT: no such\\nhost',
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

  it('rejects with an error whose message is not text, and goes on', async () => {
    const { asker, replier } = await endpoints()
    const odd = (): unknown => Object.assign(new Error(), { message: { status: 400 }, code: 5n })
    replier.respond('at once', () => {
      throw odd()
    })
    replier.respond('later', () => Promise.reject(odd() as Error))
    for (const type of ['at once', 'later']) {
      expect(await rejectionOf(asker.request(type))).toMatchObject({
        remote: { code: 'ERR_IPC_HANDLER_FAILED', message: '[object Object]' },
      })
    }
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
