// Callbacks of the application that throw, call back into the library, or never return: they break nothing.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import type { DeliveryEvent } from '../../../lib/delivery/sender/options.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { expectBalance, idsTo, receiving, sender, senderTo, sums, take } from '../../support/delivery.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { rejectionOf, until } from '../../support/wait.js'

const bug = (): never => {
  throw new Error('a bug in the callback')
}
let reported: string[] = []

beforeEach(() => {
  reported = []
  const note = (event: unknown): void => {
    reported.push((event as { callback: string }).callback)
  }
  subscribe('sentinel-ipc:user-error', note)
  onTestFinished(() => {
    unsubscribe('sentinel-ipc:user-error', note)
  })
})

describe('a callback that throws', () => {
  it('onEvent: the sender connects, sends and closes all the same', async () => {
    const directory = temporaryDirectory()
    const made = sender(directory, { onEvent: bug })
    const sent = made.send(newSOCMessage('a', 1))
    await until(() => reported.length > 0)
    await receiving(directory)
    expect(await sent).toEqual({ status: 'acknowledged' })
    await made.close()
    expect(new Set(reported)).toEqual(new Set(['onEvent']))
  })

  it('onDrop: every send settles, and the sums hold', async () => {
    const directory = temporaryDirectory()
    const made = sender(directory, { maxMessages: 10, onFull: 'drop-oldest', onDrop: bug })
    const results = numbered(20).map((message) => made.send(message).catch((error: unknown) => error))
    expect(sums(made)).toBe(true)
    await receiving(directory)
    await made.flush()
    const codes = (await Promise.all(results)).map((result) => (result as { code?: string }).code)
    expect(codes.filter((code) => code === 'ERR_IPC_BUFFER_FULL')).toHaveLength(10)
    expect(reported).toEqual(Array(10).fill('onDrop'))
  })

  it('onDrop at close: close and send say what happened', async () => {
    const made = sender(temporaryDirectory(), { onDrop: bug })
    const sent = rejectionOf(made.send(newSOCMessage('a', 1)))
    expect(await rejectionOf(made.close({ timeoutMs: 20 }))).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
    expect(await sent).toMatchObject({ code: 'ERR_IPC_TIMEOUT' })
  })

  it('onDeadLetter, and a handler: what they do is settled', async () => {
    const directory = temporaryDirectory()
    const { receivers } = await receiving(directory, { onDeadLetter: bug, maxDeliveries: 1, autoAck: false })
    const made = sender(directory)
    await until(() => receivers.length > 0)
    expect(
      await Promise.race([made.sendBatch(numbered(1)), until(() => receivers[0]?.stats.inHand === 1)]),
    ).toBe(undefined)
    await receivers[0]?.close()
    expect(receivers[0]?.stats).toMatchObject({ rejected: 1, inHand: 0 })
    await until(() => made.stats.rejected === 1)
    expect(reported).toContain('onDeadLetter')
  })
})

describe('a callback that calls back', () => {
  it('onDrop sends, onEvent closes: each send settles once', async () => {
    const directory = temporaryDirectory()
    const settled: Promise<unknown>[] = []
    let left = 5
    const made: AcknowledgedSender = sender(directory, {
      maxMessages: 2,
      onFull: 'drop-oldest',
      onDrop: () => {
        if (left-- > 0) settled.push(made.send(newSOCMessage('again', left)).catch(() => 'dropped'))
      },
      onEvent: (event: DeliveryEvent) => {
        if (event.type === 'connected') settled.push(made.close())
      },
    })
    for (const message of numbered(5)) settled.push(made.send(message).catch(() => 'dropped'))
    await receiving(directory)
    await until(() => made.state === 'closed')
    await Promise.all(settled)
    expect(sums(made)).toBe(true)
    expect(made.stats.pending).toBe(0)
  })

  it('orderBy asks, settles and closes: no message is handed out twice, and the sums hold', async () => {
    const { made, receive } = await senderTo()
    const sent = made.sendBatch(numbered(50))
    const given: string[] = []
    let calls = 0
    const note = async (result: Promise<IteratorResult<SOCMessage, undefined>>): Promise<void> => {
      const { value } = await result
      if (value === undefined) return
      given.push(value.id)
      receiver.acknowledge(value)
    }
    const receiver = await receive({
      autoAck: false,
      orderBy: (message) => {
        if (++calls % 10 === 3) void note(receiver.next())
        if (calls === 45) void receiver.close()
        return String(Number(message.id) % 3)
      },
    })
    for (let i = 0; i < 30; ++i) await note(receiver.next())
    await receiver.close()
    expect(new Set(given).size).toBe(given.length)
    expectBalance(made.stats, [receiver])
    const last = await receive()
    void (async () => {
      for await (const message of last) given.push(message.id)
    })()
    await sent
    expect(given.sort((a, b) => Number(a) - Number(b))).toEqual(idsTo(50))
    await last.close()
  })
})

it('orderBy that returns no string, as an async function does, is reported, and its messages are not ordered', async () => {
  const { made, receive } = await senderTo()
  const sent = made.sendBatch(numbered(3))
  const orderBy = (): string => Promise.resolve('key') as unknown as string
  const receiver = await receive({ autoAck: false, orderBy })
  receiver.acknowledge(await take(receiver, 3))
  await sent
  expect(reported).toEqual(['orderBy', 'orderBy', 'orderBy'])
  await receiver.close()
})

it('a handler that never returns keeps its message, and the others go on', async () => {
  const { made, receive } = await senderTo()
  const results = numbered(20).map((message) => made.send(message))
  const receiver = await receive({ autoAck: false })
  const handling = receiver.handle(
    (message) => (message.id === '0' ? new Promise(() => undefined) : undefined),
    { concurrency: 2 },
  )
  await Promise.all(results.slice(1))
  expect(receiver.stats).toMatchObject({ accepted: 19, inHand: 1 })
  await receiver.close()
  expect(receiver.stats).toMatchObject({ inHand: 0, released: 1 })
  expect(await Promise.race([handling, Promise.resolve('still there')])).toBe('still there')
})
