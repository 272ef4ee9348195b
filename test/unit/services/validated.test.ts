// Payloads checked with Standard Schemas: values, types, violations.

import { describe, expect, expectTypeOf, it } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import type { StandardIssue, StandardSchema } from '../../../lib/services/standard-schema.js'
import { validated } from '../../../lib/services/validated.js'
import { connectedPair } from '../../support/pair.js'
import { rejectionOf } from '../../support/wait.js'

function schema<Output>(validate: StandardSchema<Output>['~standard']['validate']): StandardSchema<Output> {
  return { '~standard': { version: 1, vendor: 'test', validate } }
}

const failed = (...issues: StandardIssue[]): { issues: StandardIssue[] } => ({ issues })

const logon = schema<{ user: string }>((value) => {
  const user = (value as { user?: unknown } | undefined)?.user
  return typeof user === 'string'
    ? { value: { user } }
    : failed({ message: 'expected a string', path: ['user'] })
})
const count = schema<number>(async (value) => ({ value: Number(value) + 1 }))

async function sending(...payloads: [type: string, payload: unknown][]): Promise<Connection> {
  const { client, server } = await connectedPair()
  const sender = new Sender(client, 's')
  await sender.sendBatch(payloads.map(([type, payload]) => newSOCMessage(type, payload, { id: 'x' })))
  await sender.close()
  return server
}

describe('validated', () => {
  it('hands out what the schemas return, discriminated by type', async () => {
    const server = await sending(['logon', { user: 'a', more: 1 }], ['count', 1])
    const got = []
    for await (const entry of validated(new Receiver(server, 'r'), { logon, count })) {
      expectTypeOf(entry.type).toEqualTypeOf<'logon' | 'count'>()
      if (entry.type === 'logon') expectTypeOf(entry.payload).toEqualTypeOf<{ user: string }>()
      else expectTypeOf(entry.payload).toEqualTypeOf<number>()
      expect(entry.message.peer?.pid).toBe(process.pid)
      got.push(entry.payload)
    }
    expect(got).toEqual([{ user: 'a' }, 2])
  })

  it('rejects with path and issue, and goes on', async () => {
    const many = schema(() => failed(...Array.from({ length: 5 }, (_, i) => ({ message: `issue ${i}` }))))
    const odd = schema(() => failed({ message: 'line\nbreak', path: [{ key: 'a/b~' }, 0] }))
    const server = await sending(
      ['logon', { user: 5 }],
      ['other', 1],
      ['constructor', 1],
      ['many', 1],
      ['odd', 1],
      ['logon', { user: 'after' }],
    )
    const messages = validated(new Receiver(server, 'r'), { logon, many, odd })
    const next = (): Promise<unknown> => rejectionOf(messages.next())
    expect(await next()).toMatchObject({
      code: 'ERR_IPC_INVALID_MESSAGE',
      reason: 'schema',
      message: 'r: message "x" of type "logon": "/user": expected a string',
      cause: [{ message: 'expected a string' }],
    })
    expect(await next()).toMatchObject({ reason: 'unknown-type' })
    expect(await next()).toMatchObject({ reason: 'unknown-type' })
    expect(await next()).toMatchObject({
      message: 'r: message "x" of type "many": "": issue 0; "": issue 1; "": issue 2; and 2 more',
    })
    expect(await next()).toMatchObject({
      message: 'r: message "x" of type "odd": "/a~1b~0/0": line\\nbreak',
    })
    expect((await messages.next()).value?.payload).toEqual({ user: 'after' })
    expect((await messages.next()).done).toBe(true)
  })

  it('closes the connection when the loop is left', async () => {
    const server = await sending(['count', 1], ['count', 1])
    for await (const { payload } of validated(new Receiver(server, 'r'), { count })) {
      expect(payload).toBe(2)
      break
    }
    expect(server.closed).toBe(true)
  })

  it('refuses what is no schema', async () => {
    const receiver = new Receiver(await sending(), 'r')
    expect(() => validated(receiver, { a: {} as never })).toThrow(
      /validated: the schema of a must be a Standard Schema, not a plain object/,
    )
  })
})
