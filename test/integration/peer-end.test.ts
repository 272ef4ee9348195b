// What a peer sent before it disconnected is received, whatever way it disconnected; what it still reads can be sent.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Connection } from '../../lib/connection/connection.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { heard } from '../support/audit.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'

/** A peer that is no more than a socket, which may be open one way only. */
async function rawPeer(): Promise<{ raw: Socket; server: Connection }> {
  const listener = await listening(temporaryDirectory())
  const raw = connect({ path: listener.address, allowHalfOpen: true })
  raw.on('error', () => undefined)
  onTestFinished(() => {
    raw.destroy()
  })
  const [server] = await Promise.all([listener.accept(), once(raw, 'connect')])
  return { raw, server }
}

async function typesOf(receiver: Receiver): Promise<string[]> {
  const types: string[] = []
  for await (const { type } of receiver) types.push(type)
  return types
}

describe('a peer that goes', () => {
  it('leaves what it sent, although a write to it is waiting', async () => {
    const { raw, server } = await rawPeer()
    const receiver = new Receiver(server, 'r')
    const sending = new Sender(server, 's').send(newSOCMessage('a', 'x'.repeat(900_000)))
    const told = sending.catch((error: unknown) => error)
    // More than one read, and all of it before the event loop has a turn.
    raw.write('{"type":"b"}\n'.repeat(10_000))
    raw.destroy()
    expect(await typesOf(receiver)).toEqual(Array.from({ length: 10_000 }, () => 'b'))
    expect(await told).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    await server.whenClosed()
  })

  it('leaves a whole last line without its newline, although it read nothing', async () => {
    const { raw, server } = await rawPeer()
    await new Sender(server, 's').send(newSOCMessage('a', 1))
    raw.write('{"type":"b"}\n{"type":"c"}')
    raw.destroy()
    const closed = heard<{ reason: string }>('sentinel-ipc:close')
    expect(await typesOf(new Receiver(server, 'r'))).toEqual(['b', 'c'])
    await server.whenClosed()
    expect(closed.map(({ reason }) => reason)).toEqual(['peer-closed'])
  })

  it('may end its stream and still be answered, also to a last line without a newline', async () => {
    const { raw, server } = await rawPeer()
    const sender = new Sender(server, 's')
    raw.end('{"type":"b"}')
    let answer = ''
    raw.setEncoding('utf8')
    raw.on('data', (text: string) => {
      answer += text
    })
    const ended = once(raw, 'end')
    for await (const { type } of new Receiver(server, 'r')) await sender.send(newSOCMessage('re', type))
    await ended
    expect(answer).toContain('"payload":"b"')
  })
})

describe('a connection that is destroyed while its messages are taken', () => {
  it('gives all that came in the same turn of the event loop', async () => {
    const { raw, server } = await rawPeer()
    const destroy = (): void => {
      server.destroy()
    }
    subscribe('sentinel-ipc:invalid', destroy)
    onTestFinished(() => {
      unsubscribe('sentinel-ipc:invalid', destroy)
    })
    raw.write('no message\n' + '{"type":"b"}\n'.repeat(1000))
    const receiver = new Receiver(server, 'r', { onInvalid: 'skip' })
    expect((await typesOf(receiver)).length).toBe(1000)
  })
})
