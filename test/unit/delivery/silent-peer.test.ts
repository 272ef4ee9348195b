// Peers that do not acknowledge, or say nothing any more.

import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'

import { SilenceWatch } from '../../../lib/delivery/protocol/silence-watch.js'
import { afterRound } from '../../../lib/wire/turn.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import type { DeliveryEvent } from '../../../lib/delivery/sender/options.js'
import { newSOCMessage } from '../../../lib/message/new-message.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { ackLine, GREETING, hello, idsTo, rawPeer, sender } from '../../support/delivery.js'
import { crowd, lateArrival } from '../../support/late-arrival.js'
import { numbered } from '../../support/messages.js'
import { temporaryDirectory } from '../../support/directory.js'
import { listening } from '../../support/pair.js'
import { rejectionOf, until } from '../../support/wait.js'

describe('a peer that does not acknowledge', () => {
  it('fails the sender, if so configured', async () => {
    const directory = temporaryDirectory()
    await rawPeer(directory)
    const events: DeliveryEvent[] = []
    const made = sender(directory, {
      onSilentPeer: 'fail',
      answerTimeoutMs: 30,
      onEvent: (event) => events.push(event),
    })
    expect(await rejectionOf(made.send(newSOCMessage('a', 1)))).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'not-acknowledging',
    })
    expect(made.state).toBe('failed')
    expect(await rejectionOf(made.send(newSOCMessage('a', 1)))).toMatchObject({ code: 'ERR_IPC_CLOSED' })
    expect(events.at(-1)?.type).toBe('failed')
    expect(made.stats).toMatchObject({ accepted: 1, dropped: 1, droppedBy: { undeliverable: 1 } })
  })

  it('is tried again by default, with nothing sent to it', async () => {
    const directory = temporaryDirectory()
    const { lines, sockets } = await rawPeer(directory)
    const made = sender(directory, { answerTimeoutMs: 20 })
    void made.send(newSOCMessage('a', 1))
    await until(() => sockets.length > 2)
    expect(lines.every((line) => line.includes('sentinel-delivery'))).toBe(true)
    expect(made.pending).toBe(1)
  })

  it('can be a plain Receiver', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory, { onSilentPeer: 'written', answerTimeoutMs: 20 })
    const sent = made.sendBatch(numbered(100))
    const receiver = new Receiver(await listener.accept(), 'plain')
    expect(await sent).toEqual({ status: 'written' })
    await made.close()
    const ids: string[] = []
    for await (const message of receiver) if (message.type === 'soc_event') ids.push(message.id)
    expect(ids).toEqual(idsTo(100))
  })
})

describe('the reason why a sender is not connected', () => {
  const watched = (): { events: DeliveryEvent[]; onEvent: (event: DeliveryEvent) => void } => {
    const events: DeliveryEvent[] = []
    return { events, onEvent: (event) => events.push(event) }
  }

  it('is reported for a peer that hangs up before it answers, and is the cause of the error of close', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const { events, onEvent } = watched()
    const made = sender(directory, { onEvent })
    void made.send(newSOCMessage('a', 1))
    const connection = await listener.accept()
    connection.destroy()
    await until(() => events.length > 0)
    expect(events[0]).toMatchObject({
      type: 'retrying',
      error: { code: 'ERR_IPC_CLOSED', reason: 'hung-up' },
    })
    listener.close()
    await until(() =>
      events.some((event) => event.type === 'retrying' && event.error.code !== 'ERR_IPC_CLOSED'),
    )
    const error = await rejectionOf(made.close({ timeoutMs: 20 }))
    expect(error).toMatchObject({ code: 'ERR_IPC_TIMEOUT', cause: { code: 'ERR_IPC_NOT_LISTENING' } })
  })

  it('is reported for a peer that does not acknowledge', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const { events, onEvent } = watched()
    const made = sender(directory, { answerTimeoutMs: 20, onEvent })
    void made.send(newSOCMessage('a', 1))
    const plain = new Receiver(await listener.accept(), 'plain')
    void plain.next()
    await until(() => events.length > 0)
    expect(events[0]).toMatchObject({
      type: 'retrying',
      error: { code: 'ERR_IPC_TIMEOUT', reason: 'not-acknowledging' },
    })
    expect(await rejectionOf(made.close({ timeoutMs: 5 }))).toMatchObject({
      cause: { reason: 'not-acknowledging' },
    })
  })

  it('is reported if the sender goes on without acknowledgements', async () => {
    const directory = temporaryDirectory()
    await rawPeer(directory)
    const { events, onEvent } = watched()
    const made = sender(directory, { answerTimeoutMs: 20, onSilentPeer: 'written', onEvent })
    expect(await made.send(newSOCMessage('a', 1))).toEqual({ status: 'written' })
    expect(events).toMatchObject([
      { type: 'degraded', error: { reason: 'not-acknowledging' } },
      { type: 'connected', acknowledging: false },
    ])
  })

  it('does not make it dial without pause, however often a peer answers and hangs up', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory, { minBackoffMs: 20, maxBackoffMs: 2000 })
    void made.send(newSOCMessage('a', 1))
    let connections = 0
    void (async () => {
      for await (const connection of listener) {
        ++connections
        const receiver = new AcknowledgingReceiver(connection, 'r')
        void receiver.next().catch(() => undefined)
        setTimeout(() => void receiver.close(), 5)
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(connections).toBeLessThan(10)
  })
})

describe('a busy event loop of this process', () => {
  const stall = (ms: number): void => {
    for (const end = performance.now() + ms; performance.now() < end;);
  }

  it('is not taken for the silence of either end', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const events: DeliveryEvent[] = []
    const made = sender(directory, {
      heartbeatMs: 20,
      peerTimeoutMs: 60,
      answerTimeoutMs: 50,
      onEvent: (event) => events.push(event),
    })
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', {
      minHeartbeatMs: 10,
      idleTimeoutMs: 60,
    })
    stall(120)
    const sent = made.sendBatch(numbered(10))
    void (async () => {
      for await (const message of receiver) if (message.id === '5') stall(150)
    })()
    await sent
    for (let i = 0; i < 4; ++i) {
      stall(100)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(events.map(({ type }) => type)).toEqual(['connected'])
    await receiver.close()
  })
})

describe('what has arrived and waits for its turn of the event loop', () => {
  it('is read before a peer counts as silent', async () => {
    const { quiet, over } = await lateArrival()
    await new Promise<void>((resolve) => {
      new SilenceWatch(4, {
        heard: () => quiet.stats.bytes,
        isListening: () => true,
        onSilent: () => {
          resolve()
        },
      })
    })
    expect(quiet.stats.received).toBe(1)
    await over
  })

  it('may be long ago when the other connections have been read', async () => {
    const loud = await crowd()
    let [heard, silences] = [0, 0]
    const onSilent = (): void => {
      ++silences
    }
    new SilenceWatch(4, { heard: () => heard, isListening: () => true, onSilent })
    const roundOver = new Promise<void>((resolve) => {
      setTimeout(() => {
        afterRound(resolve)
        setImmediate(() => ++heard)
      }, 1)
    })
    const over = loud.read()
    for (const end = performance.now() + 6; performance.now() < end;);
    await roundOver
    expect(silences).toBe(0)
    await until(() => silences === 1)
    await over
  })

  it('may be the answer of the receiver', async () => {
    const directory = temporaryDirectory()
    const { lines, sockets } = await rawPeer(directory)
    const loud = await crowd()
    const events: DeliveryEvent[] = []
    sender(directory, { answerTimeoutMs: 600, onEvent: (event) => events.push(event) })
    await until(() => lines.length > 0)
    const over = loud.read()
    sockets[0]?.write(ackLine(hello(lines).session, 0, GREETING))
    for (const end = performance.now() + 600; performance.now() < end;);
    await over
    await until(() => events.length > 0)
    expect(events[0]?.type).toBe('connected')
  })
})

describe('silence', () => {
  it('of the sender is noticed', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const raw = connect(listener.address)
    onTestFinished(() => void raw.destroy())
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { idleTimeoutMs: 60 })
    const started = performance.now()
    expect(await rejectionOf(receiver.next())).toMatchObject({
      code: 'ERR_IPC_TIMEOUT',
      reason: 'silent-peer',
    })
    expect(performance.now() - started).toBeLessThan(500)
    expect((await receiver.next()).done).toBe(true)
  })

  it('of the receiver is noticed, but not the time that its application takes', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const made = sender(directory, { heartbeatMs: 20, peerTimeoutMs: 80 })
    const sent = made.send(newSOCMessage('a', 1))
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { minHeartbeatMs: 20 })
    await receiver.next()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(made.state).toBe('acknowledging')
    void receiver.next()
    await sent
    await receiver.close()
    const { sockets } = { sockets: [await listener.accept()] }
    await until(() => made.state === 'connecting')
    // This peer neither reads nor answers.
    await listener.accept()
    sockets[0]?.destroy()
  })
})
