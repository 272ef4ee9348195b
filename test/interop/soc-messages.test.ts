// SOC messages with a peer written in Go, in both directions: encoding/json, and a bufio.Scanner with a buffer of 1 MiB.

import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { dial } from '../../lib/connection/dial.js'
import { listen } from '../../lib/connection/listener.js'
import { newSOCMessage, rawJSON } from '../../lib/message/new-message.js'
import { Receiver } from '../../lib/endpoints/receiver.js'
import { Sender } from '../../lib/endpoints/sender.js'
import { temporaryDirectory } from '../support/directory.js'
import { buildGoPeer, hasGo, startGoPeer, whyNot } from './go-peer.js'

/** The longest line that the original receiver reads, without its newline. */
const LONGEST_LINE_BYTES = 1_048_575

describe.skipIf(!hasGo)(`SOC messages and a Go peer${whyNot}`, () => {
  let program: ReturnType<typeof buildGoPeer>
  beforeAll(() => {
    program = buildGoPeer()
  }, 120_000)
  afterAll(() => {
    program?.remove()
  })

  it('are read by Go as they were sent', async () => {
    const directory = temporaryDirectory()
    const go = startGoPeer(program.path, 'soc-receive', join(directory, 'test.sock'))
    expect(await go.next()).toEqual({ listening: true })
    const sender = new Sender(await dial('test', { directory }), 'to-go')
    const messages = [
      newSOCMessage(
        'soc_event',
        { text: 'a<b>&c ü 語 \u2028', n: 1.5, list: [null, true] },
        { timestamp: 1_700_000_000 },
      ),
      newSOCMessage('soc_incident', undefined, { id: '', timestamp: -5 }),
      newSOCMessage('custom "type"', rawJSON('{"n":12345678901234567890,"e":1e400}'), {
        id: 'x\n',
        timestamp: 0,
      }),
    ]
    await sender.sendBatch(messages)
    const room = LONGEST_LINE_BYTES - '{"type":"soc_ack","ts":1,"payload":""}'.length
    await sender.send(newSOCMessage('soc_ack', 'x'.repeat(room), { id: '', timestamp: 1 }))
    await sender.close()
    expect(await go.next()).toMatchObject({
      message: {
        type: 'soc_event',
        id: messages[0]?.id,
        ts: 1_700_000_000,
        payload: { text: 'a<b>&c ü 語 \u2028', n: 1.5, list: [null, true] },
      },
    })
    expect(await go.next()).toMatchObject({ message: { type: 'soc_incident', ts: -5 }, bytes: 31 })
    expect(await go.next()).toMatchObject({ message: { type: 'custom "type"', id: 'x\n', ts: 0 } })
    expect(await go.next()).toMatchObject({ message: { type: 'soc_ack' }, bytes: LONGEST_LINE_BYTES })
    expect(await go.next()).toEqual({ end: true })
  })

  it('with meta are read by Go as if they had none', async () => {
    const directory = temporaryDirectory()
    const go = startGoPeer(program.path, 'soc-receive', join(directory, 'test.sock'))
    expect(await go.next()).toEqual({ listening: true })
    const sender = new Sender(await dial('test', { directory }), 'to-go')
    const meta = {
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      Types: [{ type: 'x' }],
    }
    await sender.send(newSOCMessage('soc_event', { n: 1 }, { id: '1', timestamp: 2, meta }))
    await sender.close()
    const { message } = (await go.next()) as { message: object }
    expect(message).toEqual({ type: 'soc_event', id: '1', ts: 2, payload: { n: 1 } })
    expect(await go.next()).toEqual({ end: true })
  })

  it('end the stream of a Go receiver if they are one byte too long', async () => {
    const directory = temporaryDirectory()
    const go = startGoPeer(program.path, 'soc-receive', join(directory, 'test.sock'))
    expect(await go.next()).toEqual({ listening: true })
    const socket = connect(join(directory, 'test.sock'))
    socket.on('error', () => undefined)
    const envelope = '{"type":"soc_ack","ts":1,"payload":""}'
    const line = envelope.replace('""', `"${'x'.repeat(LONGEST_LINE_BYTES + 1 - envelope.length)}"`)
    socket.end(`${line}\n${envelope}\n`)
    expect(await go.next()).toEqual({ error: 'bufio.Scanner: token too long' })
    expect(await go.next()).toBeUndefined()
  })

  it('are read as Go has sent them', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const go = startGoPeer(program.path, 'soc-send', listener.address)
    const received = []
    for await (const message of new Receiver(await listener.accept(), 'from-go')) {
      expect(message.peer?.pid).toBe(go.pid)
      received.push([message.type, message.id, message.timestamp, message.rawPayload])
    }
    listener.close()
    expect(received).toEqual([
      // Go escapes these characters, and numbers of any size pass as they are.
      ['soc_event', '1700000000000000001', 1_700_000_000, '{"text":"a\\u003cb\\u003e\\u0026c","n":1e400}'],
      ['soc_incident', '', -5, '[1,"ü 語 \\u2028"]'],
      ['soc_heartbeat', 'h"1', 0, undefined],
      ['custom', 'x', 1, 'null'],
      ['soc_event', 'long', 2, `"${'\\u0000'.repeat(170_000)}"`],
      ['soc_ack', '', 3, undefined], // the last line, without a newline
    ])
  })
})
