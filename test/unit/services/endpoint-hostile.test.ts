// Endpoint: what a hostile peer can send, and what that costs.

import { describe, expect, it } from 'vitest'

import { payloadOf, rawEndpoint } from '../../support/endpoints.js'
import { rejectionOf, until } from '../../support/wait.js'

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

  it('that hides one request or message in each large read is charged for the whole reads', async () => {
    const { endpoint, socket } = await rawEndpoint({ maxPendingBytes: 1 << 20 })
    endpoint.respond('never', () => new Promise(() => undefined))
    const padding = '{"type":"soc_reply","ts":1,"payload":"' + 'x'.repeat(900) + '"}\n'
    const line = padding.repeat(90) // about 85 KiB, which leave nothing behind by themselves
    for (let i = 0; i < 200; ++i) {
      const more = `{"type":"never","id":"${i}","ts":1}\n{"type":"soc_event","ts":1}\n`
      await new Promise((resolve) => socket.write(line + more, resolve))
    }
    await until(() => endpoint.stats.handled + endpoint.stats.refused === 200)
    // Each read is at most 116 KiB, and 1 MiB of them may be held for either purpose.
    expect(endpoint.stats.handled).toBeLessThan(60)
    expect(endpoint.stats.handlingBytes).toBeLessThanOrEqual(1 << 20)
    expect(endpoint.stats.dropped).toBeGreaterThan(140)
  })

  it('that floods with requests and withdraws them runs a bounded number of handlers', async () => {
    // More than one read, as the first one counts with the read that it keeps alive, however small the bound is.
    const { endpoint, socket, lines } = await rawEndpoint({ maxPendingBytes: 150_000 })
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
    expect(most).toBeLessThan(400)
    expect(endpoint.stats.handlingBytes).toBeLessThanOrEqual(150_000)
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
    // In one write: the kernel counts small ones by their overhead, and would stop the peer before the endpoint does.
    socket.write('{"type":"large","id":"1","ts":1}\n'.repeat(100_000))
    let handled = -1
    while (handled !== endpoint.stats.handled || endpoint.stats.refused <= 100) {
      ;({ handled } = endpoint.stats)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    // More than the kernel and the bound hold is not even read.
    expect(handled).toBeLessThan(2000)
    expect(socket.writableLength).toBeGreaterThan(0)
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
