// Busy polling brings messages, and keeps nobody else from their turn.

import { constants } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'

import { checkBusyPoll } from '../../lib/busy-poll.js'
import { Progress } from '../../lib/frame-record.js'
import { newSOCMessage } from '../../lib/message.js'
import { addon } from '../../lib/native.js'
import { progress } from '../../lib/read-window.js'
import { Receiver } from '../../lib/receiver.js'
import { Sender } from '../../lib/sender.js'
import { connectedPair } from '../support/pair.js'
import { until } from '../support/wait.js'

const busyPoll = { maxMicroseconds: 50 }

describe('busy polling', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it.each([0, -1, 1.5, 1001, NaN])('refuses to poll for %f µs', (maxMicroseconds) => {
    expect(() => checkBusyPoll({ maxMicroseconds })).toThrow(RangeError)
  })

  it('brings every message, in order, and then the end', async () => {
    const pair = await connectedPair()
    const sender = new Sender(pair.client, 's')
    const receiver = new Receiver(pair.server, 'r', { busyPoll })
    const sent = Array.from({ length: 3000 }, (_, i) =>
      newSOCMessage('soc_event', { i, text: 'x'.repeat(i % 700) }),
    )
    const sending = sender.sendBatch(sent).then(() => sender.close())
    const received: unknown[] = []
    for await (const { payload } of receiver) received.push(payload)
    await sending
    expect(received).toEqual(sent.map(({ payload }) => payload))
  })

  it('is taken over from the connection, and polls', async () => {
    const pair = await connectedPair({ busyPoll }, { busyPoll })
    const poll = vi.spyOn(addon, 'readRecords')
    const waiting = new Receiver(pair.server, 'r').next()
    // The event loop may be faster, then there is nothing to poll for.
    await until(() => poll.mock.calls.length > 0)
    expect(poll).toHaveBeenCalledWith(expect.any(Number), busyPoll.maxMicroseconds)
    await new Sender(pair.client, 's').send(newSOCMessage('soc_event', 1))
    expect((await waiting).value?.payload).toBe(1)
  })

  it('lets timers have their turn while messages go to and fro without end', async () => {
    const pair = await connectedPair({ busyPoll }, { busyPoll })
    const answers = new Receiver(pair.client, 'answers')
    const requests = new Sender(pair.client, 'requests')
    let over = false
    const answering = (async () => {
      const sender = new Sender(pair.server, 'answers')
      for await (const message of new Receiver(pair.server, 'requests')) await sender.send(message)
    })()
    setTimeout(() => {
      over = true
    }, 20)
    // Were the timer starved, this would go on until the test is given up.
    let rounds = 0
    while (!over) {
      await requests.send(newSOCMessage('soc_event', rounds))
      expect((await answers.next()).value?.payload).toBe(rounds)
      ++rounds
    }
    expect(rounds).toBeGreaterThan(0)
    await requests.close()
    await answering
  })

  it('stops by itself when nothing comes', async () => {
    const pair = await connectedPair()
    const poll = vi.spyOn(addon, 'readRecords')
    const waiting = new Receiver(pair.server, 'r', { busyPoll }).next()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(poll.mock.calls.length).toBe(1)
    await new Sender(pair.client, 's').send(newSOCMessage('soc_event', 1))
    expect((await waiting).value?.payload).toBe(1)
  })

  it('tells of a connection that broke, as the event loop would', async () => {
    const pair = await connectedPair()
    const receiver = new Receiver(pair.server, 'r', { busyPoll })
    vi.spyOn(addon, 'readRecords').mockImplementation(() => {
      progress[Progress.received] = -constants.errno.EIO
      return 0
    })
    const broken = receiver.next()
    await expect(broken).rejects.toMatchObject({ code: 'ERR_IPC_CLOSED', cause: { code: 'EIO' } })
    expect(pair.server.closed).toBe(true)
  })

  it('gives the end to one who waits when the connection is closed here', async () => {
    const pair = await connectedPair()
    const receiver = new Receiver(pair.server, 'r', { busyPoll })
    const waiting = receiver.next()
    await receiver.close()
    expect(await waiting).toEqual({ value: undefined, done: true })
  })
})
