// The tracing channels of batches: what they carry, and that a failed write is an error event.

import { tracingChannel } from 'node:diagnostics_channel'
import { describe, expect, it, onTestFinished } from 'vitest'

import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import type { BatchTrace } from '../../../lib/observe/tracing.js'
import { numbered } from '../../support/messages.js'
import { connectedPair } from '../../support/pair.js'
import { until } from '../../support/wait.js'

function traced(name: 'send' | 'receive'): { type: string; trace: BatchTrace }[] {
  const events: { type: string; trace: BatchTrace }[] = []
  const record =
    (type: string) =>
    (trace: object): void => {
      events.push({ type, trace: trace as BatchTrace })
    }
  const subscribers = {
    start: record('start'),
    end: record('end'),
    asyncStart: record('asyncStart'),
    asyncEnd: record('asyncEnd'),
    error: record('error'),
  }
  const traces = tracingChannel<object>(`sentinel-ipc:${name}`)
  traces.subscribe(subscribers)
  onTestFinished(() => {
    traces.unsubscribe(subscribers)
  })
  return events
}

describe('sentinel-ipc:send', () => {
  it('traces each batch until the kernel has it', async () => {
    const events = traced('send')
    const { client } = await connectedPair()
    await new Sender(client, 's').sendBatch(numbered(10))
    await until(() => events.length === 4)
    expect(events.map(({ type }) => type)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    const { trace } = events[0] as { trace: BatchTrace }
    expect(trace).toMatchObject({ connection: client.id, address: client.address, lines: 10 })
    expect(trace.bytes).toBeGreaterThan(300)
    expect(events.every((event) => event.trace === trace)).toBe(true)
  })

  it('reports a batch that the kernel could not take whole', async () => {
    const events = traced('send')
    const { client, server } = await connectedPair()
    const sent = new Sender(client, 's').sendBatch(numbered(1, 0, 'x'.repeat(900_000)))
    sent.catch(() => undefined)
    await until(() => events.length === 2)
    server.destroy()
    await until(() => events.some(({ type }) => type === 'error'))
    expect(events.find(({ type }) => type === 'error')?.trace.error).toMatchObject({ code: 'ERR_IPC_CLOSED' })
  })
})

describe('sentinel-ipc:receive', () => {
  it('traces the lines of each read', async () => {
    const events = traced('receive')
    const { client, server } = await connectedPair()
    const receiver = new Receiver(server, 'r')
    await new Sender(client, 's').send(newSOCMessage('a', 1))
    expect((await receiver.next()).value?.payload).toBe(1)
    expect(events.map(({ type }) => type)).toEqual(['start', 'end'])
    expect(events[0]?.trace).toMatchObject({ connection: server.id, lines: 1, bytes: receiver.stats.bytes })
  })
})
