// Senders and receivers refuse what they do not know: unknown options, values of the wrong kind, things that are not messages.

import { describe, expect, it } from 'vitest'

import { BufferedSender } from '../../../lib/endpoints/buffered-sender.js'
import { Receiver } from '../../../lib/endpoints/receiver.js'
import { Sender } from '../../../lib/endpoints/sender.js'
import { newSOCMessage, type SOCMessage } from '../../../lib/index.js'
import { connectedPair } from '../../support/pair.js'
import { rejectionOf } from '../../support/wait.js'

describe('a constructor', () => {
  it.each<[string, unknown, string]>([
    ['Sender', { timeout: 5 }, 'Sender has no option "timeout"; did you mean timeoutMs?'],
    ['Sender', { maxPending: '5' }, 'Sender: maxPending must be a whole number from 1, not "5"'],
    ['Sender', 5000, 'Sender takes an object of options, not 5000'],
    ['BufferedSender', { capcity: 5 }, 'BufferedSender has no option "capcity"; did you mean capacity?'],
    ['BufferedSender', { onDrop: {} }, 'BufferedSender: onDrop must be a function, not a plain object'],
    [
      'BufferedSender',
      { onFull: 'drop' },
      'BufferedSender: onFull must be one of "reject", "drop-oldest", "drop-newest", "shed", not "drop"',
    ],
    ['Receiver', { maxInvalids: 5 }, 'Receiver has no option "maxInvalids"; did you mean maxInvalid?'],
    ['Receiver', { onInvalid: 'ignore' }, 'Receiver: onInvalid must be one of "throw", "skip", not "ignore"'],
    [
      'Receiver',
      { maxInvalid: 'none' },
      'Receiver: maxInvalid must be a whole number from 0, or Infinity, not "none"',
    ],
    ['Receiver', { busyPoll: { micros: 5 } }, 'busyPoll has no option "micros"; it takes maxMicroseconds'],
    ['Receiver', { busyPoll: {} }, 'busyPoll needs maxMicroseconds'],
  ])('of %s refuses %j', async (kind, options, message) => {
    const { client } = await connectedPair()
    const kinds = { Sender, BufferedSender, Receiver }
    const Kind = kinds[kind as keyof typeof kinds]
    expect(() => new Kind(client, 'name', options as object)).toThrow(new TypeError(message))
    // The connection is as it was: a receiver can still be made.
    expect(new Receiver(client, 'name').name).toBe('name')
  })

  it.each([{ maxInvalid: -1 }, { maxMessageBytes: 0 }, { maxMessageBytes: 1 << 20 }, { idleTimeoutMs: 0 }])(
    'of Receiver refuses the range of %j',
    async (options) => {
      const { client } = await connectedPair()
      expect(() => new Receiver(client, 'name', options)).toThrow(RangeError)
    },
  )
})

describe('a method', () => {
  it('refuses unknown options by a rejection, and does nothing', async () => {
    const { client, server } = await connectedPair()
    const sender = new Sender(client, 's')
    const receiver = new Receiver(server, 'r')
    const message = newSOCMessage('a', 1)
    const options = { sginal: new AbortController().signal } as object
    const calls: [string, Promise<unknown>][] = [
      ['send', sender.send(message, options)],
      ['sendBatch', sender.sendBatch([message], options)],
      ['sendWithRetry', sender.sendWithRetry(message, options)],
      ['next', receiver.next(options)],
    ]
    for (const [what, call] of calls) {
      const error = new TypeError(`${what} has no option "sginal"; did you mean signal?`)
      expect(await rejectionOf(call)).toEqual(error)
    }
    await sender.send(newSOCMessage('b', 2))
    expect((await receiver.next()).value?.type).toBe('b')
  })

  it('refuses a signal that is not one', async () => {
    const { client } = await connectedPair()
    const sent = new Sender(client, 's').send(newSOCMessage('a'), { signal: {} as AbortSignal })
    expect(await rejectionOf(sent)).toEqual(
      new TypeError('send: signal must be an AbortSignal, not a plain object'),
    )
  })

  it('refuses an unknown option of close, and does not close', async () => {
    const { client } = await connectedPair()
    const sender = new BufferedSender(client, 's')
    expect(() => sender.close({ timeout: 5 } as object)).toThrow(
      new TypeError('close has no option "timeout"; did you mean timeoutMs?'),
    )
    expect(client.closed).toBe(false)
  })

  it('refuses a batch that is not an array', async () => {
    const { client } = await connectedPair()
    const batch = newSOCMessage('a') as unknown as SOCMessage[]
    expect(await rejectionOf(new Sender(client, 's').sendBatch(batch))).toEqual(
      new TypeError('messages of sendBatch must be an array, not a SOCMessage'),
    )
  })
})
