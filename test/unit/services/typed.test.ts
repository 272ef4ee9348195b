// Types of received messages: those that are asserted, and those that follow from schemas of zod, valibot and arktype. The
// compiler checks the types when the tests are compiled: an unused @ts-expect-error is an error.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'

import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

import type { InvalidEvent } from '../../../lib/connection/audit.js'
import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { listen } from '../../../lib/connection/listener.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { Endpoint } from '../../../lib/services/endpoint.js'
import type { StandardSchema } from '../../../lib/services/standard-schema.js'
import { readableFrom } from '../../../lib/services/streams.js'
import { validated } from '../../../lib/services/validated.js'
import { heard } from '../../support/audit.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair } from '../../support/pair.js'
import { rejectionOf } from '../../support/wait.js'

interface Logon {
  readonly user: string
  readonly attempts: number
}

const libraries = [
  [
    'zod',
    z.object({ user: z.string(), attempts: z.number().default(1) }),
    z.iso.datetime().transform((text) => new Date(text)),
  ],
  [
    'valibot',
    v.object({ user: v.string(), attempts: v.optional(v.number(), 1) }),
    v.pipe(
      v.string(),
      v.isoTimestamp(),
      v.transform((text) => new Date(text)),
    ),
  ],
  ['arktype', type({ user: 'string', attempts: 'number = 1' }), type('string.date.iso.parse')],
] as const

async function sending(...payloads: [type: string, payload: unknown][]): Promise<Receiver> {
  const { client, server } = await connectedPair()
  const sender = new Sender(client, 's')
  await sender.sendBatch(payloads.map(([type, payload]) => newSOCMessage(type, payload, { id: 'x' })))
  await sender.close()
  return new Receiver(server, 'r')
}

describe('Receiver<Messages>', () => {
  it('discriminates on the type', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.send(newSOCMessage('logon', { user: 'a', attempts: 2 }))
    await sender.send(newSOCMessage('count', 3))
    await sender.close()
    const receiver = new Receiver<{ logon: Logon; count: number }>(server, 'r')
    const seen = []
    for await (const message of receiver) {
      expectTypeOf(message.type).toEqualTypeOf<'logon' | 'count'>()
      // @ts-expect-error: the payload has a user only once the type is known
      seen.push(message.payload.user)
      seen.pop()
      switch (message.type) {
        case 'logon':
          expectTypeOf(message.payload).toEqualTypeOf<Logon>()
          seen.push(message.payload.user)
          break
        case 'count':
          expectTypeOf(message.payload).toEqualTypeOf<number>()
          seen.push(message.payload)
          break
        default:
          expectTypeOf(message).toEqualTypeOf<never>()
      }
      // @ts-expect-error: no message has this type
      expect(message.type === 'logoff').toBe(false)
    }
    expect(seen).toEqual(['a', 3])
  })

  it('is a Receiver to everything that takes one, and without a map has messages of any kind', async () => {
    const typed = new Receiver<{ count: number }>((await connectedPair()).server, 'typed')
    const plain: Receiver = typed
    readableFrom(typed).destroy()
    expect(plain).toBe(typed)
    const anyMessage = async (receiver: Receiver): Promise<SOCMessage | undefined> =>
      (await receiver.next()).value
    expectTypeOf(anyMessage).toBeCallableWith(typed)
    expectTypeOf(typed.batches()).toExtend<AsyncIterable<SOCMessage<number>[]>>()
  })
})

describe.each(libraries)('validated with %s', (_name, logon, at) => {
  it('hands out outputs, with defaults and transformations', async () => {
    const receiver = await sending(['logon', { user: 'a' }], ['at', '2026-01-02T03:04:05Z'])
    const seen = []
    for await (const entry of validated(receiver, { logon, at })) {
      if (entry.type === 'logon') {
        expectTypeOf(entry.payload.user).toEqualTypeOf<string>()
        expectTypeOf(entry.payload.attempts).toEqualTypeOf<number>()
        seen.push(entry.payload)
      } else {
        expectTypeOf(entry.payload).toEqualTypeOf<Date>()
        seen.push(entry.payload.getTime())
      }
    }
    expect(seen).toEqual([{ user: 'a', attempts: 1 }, Date.UTC(2026, 0, 2, 3, 4, 5)])
  })

  it('names the path of an issue', async () => {
    const messages = validated(await sending(['logon', { user: 5 }], ['logon', 'text']), { logon })
    const error = await rejectionOf(messages.next())
    expect(error).toMatchObject({ code: 'ERR_IPC_INVALID_MESSAGE', reason: 'schema' })
    expect((error as Error).message).toMatch(/^r: message "x" of type "logon": "\/user": .*string/)
    expect(await rejectionOf(messages.next())).toMatchObject({ reason: 'schema' })
    expect(messages.stats).toEqual({ valid: 0, invalid: 2 })
  })
})

describe('A violation', () => {
  const count = z.number()

  it('is skipped and counted if so configured, and published', async () => {
    const events: InvalidEvent[] = []
    const onEvent = (event: unknown): void => void events.push(event as InvalidEvent)
    subscribe('sentinel-ipc:invalid', onEvent)
    const receiver = await sending(['count', 1], ['count', 'x'], ['other', 1], ['count', 2])
    const messages = validated(receiver, { count }, { onInvalid: 'skip' })
    const seen = []
    for await (const { payload } of messages) seen.push(payload)
    unsubscribe('sentinel-ipc:invalid', onEvent)
    expect(seen).toEqual([1, 2])
    expect(messages.stats).toEqual({ valid: 2, invalid: 2 })
    expect(events.map(({ error }) => error.reason)).toEqual(['schema', 'unknown-type'])
    expect(events[0]).toMatchObject({ address: receiver.connection.address, peer: { pid: process.pid } })
  })

  it('closes the connection when there were too many', async () => {
    const receiver = await sending(['count', 'x'], ['count', 'y'], ['count', 3])
    const messages = validated(receiver, { count }, { onInvalid: 'skip', maxInvalid: 1 })
    expect(await rejectionOf(messages.next())).toMatchObject({
      code: 'ERR_IPC_CLOSED',
      reason: 'too-many-invalid',
      cause: { reason: 'schema' },
    })
    expect(receiver.connection.closed).toBe(true)
  })

  it('includes a schema that throws, now or later', async () => {
    const broken = z.number().refine(() => {
      throw new Error('broken')
    })
    const later: StandardSchema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => Promise.reject(new Error('broken later')),
      },
    }
    const messages = validated(await sending(['broken', 1], ['later', 1]), { broken, later })
    expect(await rejectionOf(messages.next())).toMatchObject({
      reason: 'schema',
      message: 'r: message "x" of type "broken": its schema threw: broken',
      cause: { message: 'broken' },
    })
    expect(await rejectionOf(messages.next())).toMatchObject({ cause: { message: 'broken later' } })
  })

  it('of an acknowledged message is rejected to its sender', async () => {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    const sender = new AcknowledgedSender('test', { directory })
    const sent = Promise.all([1, 'x', 2].map((payload) => sender.send(newSOCMessage('count', payload))))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r')
    const seen: number[] = []
    const reading = (async () => {
      for await (const { payload } of validated(receiver, { count }, { onInvalid: 'skip' }))
        seen.push(payload)
    })()
    expect((await sent).map(({ status }) => status)).toEqual(['acknowledged', 'rejected', 'acknowledged'])
    await sender.close()
    await reading
    listener.close()
    expect(seen).toEqual([1, 2])
  })

  it('is found in the messages of an endpoint too', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    await sender.sendBatch([newSOCMessage('count', 'x'), newSOCMessage('count', 1)])
    const audit = heard('sentinel-ipc:invalid')
    const messages = validated(new Endpoint(server, 'e').messages, { count })
    expect(String(await rejectionOf(messages.next()))).toMatch(/e: message .* of type "count"/)
    expect((await messages.next()).value?.payload).toBe(1)
    expect(audit).toMatchObject([{ address: server.address, error: { reason: 'schema' } }])
  })

  it('is not an option that does not exist', async () => {
    const receiver = await sending()
    expect(() => validated(receiver, {}, { onInvalid: 'drop' as never })).toThrow(TypeError)
    expect(() => validated(receiver, {}, { maxInvalid: -1 })).toThrow(RangeError)
    expect(() => validated(receiver, {}, { maxinvalid: 1 } as never)).toThrow(/did you mean maxInvalid/)
    expect(() => validated({} as never, {})).toThrow(/the source must be a Receiver/)
  })
})
