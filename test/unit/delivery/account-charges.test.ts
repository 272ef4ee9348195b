// What the connection of an AcknowledgingReceiver is charged for, and when that ends.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import type { Connection } from '../../../lib/connection/connection.js'
import type { ListenOptions } from '../../../lib/connection/listen-options.js'
import type { Listener } from '../../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { AcknowledgingReceiverOptions } from '../../../lib/delivery/receiver/options.js'
import type { SOCMessage } from '../../../lib/message/message.js'
import { Spool } from '../../../lib/spool/spool.js'
import { beginLongLines, BOUND, finishInTurns, LINE } from '../../support/account.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening, rawTo } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('the connection of an acknowledging receiver is charged', () => {
  async function acknowledging(
    options?: AcknowledgingReceiverOptions,
    listenOptions?: ListenOptions,
  ): Promise<{ raw: Socket; server: Connection; listener: Listener; receiver: AcknowledgingReceiver }> {
    const listener = await listening(temporaryDirectory(), listenOptions)
    const { raw, server } = await rawTo(listener)
    return { raw, server, listener, receiver: new AcknowledgingReceiver(server, 'r', options) }
  }

  it('for messages that wait and that are in hand, until the last one of their read is settled', async () => {
    const { raw, listener, receiver } = await acknowledging({ autoAck: false })
    raw.write(LINE.repeat(20))
    await until(() => receiver.stats.waiting === 20)
    const { heldBytes } = listener.stats
    expect(heldBytes).toBeGreaterThan(20 * LINE.length)
    const messages: SOCMessage[] = []
    while (messages.length < 20) messages.push((await receiver.next()).value as SOCMessage)
    expect(listener.stats.heldBytes).toBe(heldBytes)
    receiver.acknowledge(messages.slice(0, 10))
    for (const message of messages.slice(10)) message.release()
    expect(listener.stats.heldBytes).toBe(heldBytes)
    for (let i = 0; i < 10; ++i) ((await receiver.next()).value as SOCMessage).reject('bad')
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for all that a message keeps alive, which may be much more than its line', async () => {
    const { raw, listener, receiver } = await acknowledging()
    raw.write('{"type":"\u00e9"}\n')
    await until(() => receiver.stats.waiting === 1)
    expect(listener.stats.heldBytes).toBeGreaterThan(8000)
    await receiver.next()
    void receiver.next()
    expect(listener.stats.heldBytes).toBe(0)
  })

  it('for messages that are being kept as dead letters', async () => {
    const deadLetters = await Spool.open({ directory: join(temporaryDirectory(), 'letters') })
    onTestFinished(() => deadLetters.close())
    const { raw, listener, receiver } = await acknowledging({ autoAck: false, deadLetters })
    raw.write(LINE)
    ;((await receiver.next()).value as SOCMessage).reject('bad')
    expect(listener.stats.heldBytes).toBeGreaterThan(LINE.length)
    await until(() => listener.stats.heldBytes === 0)
  })

  it('for what its peer has left behind, and no longer once this side has closed it', async () => {
    const { raw, server, listener, receiver } = await acknowledging()
    raw.write(LINE.repeat(10))
    await until(() => receiver.stats.waiting === 10)
    raw.destroy()
    await server.whenClosed()
    expect(listener.stats.heldBytes).toBeGreaterThan(10_000)
    while ((await receiver.next()).done !== true);
    expect(listener.stats.heldBytes).toBe(0)
    const other = await acknowledging({ autoAck: false })
    other.raw.write(LINE.repeat(10))
    await other.receiver.next()
    await other.receiver.close()
    expect(other.listener.stats.heldBytes).toBe(0)
  })

  it('so that messages in hand stop its user at the bound, and are not its silence', async () => {
    const { raw, listener, receiver } = await acknowledging(
      { autoAck: false, idleTimeoutMs: 100 },
      { maxBytesPerUser: 1 << 20 },
    )
    raw.write(LINE.repeat(4000))
    const inHand: SOCMessage[] = []
    void (async () => {
      for await (const message of receiver) inHand.push(message)
    })().catch(() => undefined)
    await until(() => listener.stats.usersOverBudget === 1)
    await sleep(400)
    expect(listener.stats.heldBytes).toBeLessThan(2 << 20)
    const before = inHand.length
    expect(before).toBeLessThan(2000)
    receiver.acknowledge(inHand)
    await until(() => inHand.length > before)
  })

  it('so that one message in hand of each connection takes at most twice the bound and one line', async () => {
    const listener = await listening(temporaryDirectory(), { maxBytesPerUser: BOUND })
    const inHand: { readonly receiver: AcknowledgingReceiver; readonly message: SOCMessage }[] = []
    await beginLongLines(listener, (server) => {
      const receiver = new AcknowledgingReceiver(server, 'r', { autoAck: false })
      void receiver.next().then(({ value }) => value && inHand.push({ receiver, message: value }))
    })
    await finishInTurns(listener, inHand, ({ receiver, message }) => {
      receiver.acknowledge(message)
    })
  })

  it('for invalid lines, of all connections of its user together', async () => {
    const { raw, receiver } = await acknowledging({}, { maxInvalidPerSecondPerUser: 5 })
    raw.write('x\n'.repeat(10))
    let error: unknown
    for (let i = 0; i < 20 && (error as { reason?: string } | undefined)?.reason !== 'too-many-invalid'; ++i)
      error = await rejectionOf(receiver.next())
    expect(String(error)).toContain('maxInvalidPerSecondPerUser')
  })
})
