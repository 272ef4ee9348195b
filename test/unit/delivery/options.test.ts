// The options of acknowledged delivery: a slip of the keyboard and a wrong object are named, and nothing is ignored in silence.

import { describe, expect, it } from 'vitest'

import { AcknowledgedSender } from '../../../lib/delivery/sender/acknowledged-sender.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../../lib/delivery/receiver/ledger.js'
import { dial } from '../../../lib/connection/dial.js'
import { temporaryDirectory } from '../../support/directory.js'
import { connectedPair, listening } from '../../support/pair.js'
import { senderTo } from '../../support/delivery.js'
import { rejectionOf } from '../../support/wait.js'

/** Options as a program without types could give them. */
const wrong = (options: object): never => options as never
const spoolPromise = Promise.resolve({})

describe('AcknowledgedSender', () => {
  it.each<[options: object, kind: typeof TypeError | typeof RangeError, text: string]>([
    [
      { maxMesages: 1 },
      TypeError,
      'AcknowledgedSender has no option "maxMesages"; did you mean maxMessages?',
    ],
    [{ signal: AbortSignal.abort() }, TypeError, 'has no option "signal"'],
    [
      { spool: spoolPromise },
      TypeError,
      'spool must be an open Spool, not a Promise: await Spool.open() first',
    ],
    [{ spool: '/var/spool' }, TypeError, 'spool must be an open Spool, not "/var/spool"'],
    [{ onSilentPeer: 'give-up' }, TypeError, 'onSilentPeer must be one of "retry", "written", "fail"'],
    [{ onFull: 'block' }, TypeError, 'onFull must be one of'],
    [{ onDrop: {} }, TypeError, 'onDrop must be a function'],
    [{ maxMessages: 0 }, RangeError, 'maxMessages must be a whole number from 1'],
    [{ heartbeatMs: 5 }, RangeError, 'heartbeatMs must be a whole number from 10 to 3600000, not 5'],
    [{ answerTimeoutMs: Number.NaN }, RangeError, 'answerTimeoutMs must be a positive number'],
    [{ busyPoll: 7 }, TypeError, 'busyPoll'],
  ])('refuses %o', (options, kind, text) => {
    const make = (): AcknowledgedSender =>
      new AcknowledgedSender('test', wrong({ directory: temporaryDirectory(), ...options }))
    expect(make).toThrow(kind)
    expect(make).toThrow(text)
  })

  it('refuses an option of close that does not exist', async () => {
    const { made } = await senderTo()
    expect(await rejectionOf(made.close(wrong({ timeout: 5 })))).toMatchObject({
      message: expect.stringContaining('did you mean timeoutMs?') as unknown,
    })
    await made.close()
  })
})

describe('AcknowledgingReceiver', () => {
  it.each<[options: object, kind: typeof TypeError | typeof RangeError, text: string]>([
    [{ autoAcknowledge: false }, TypeError, 'AcknowledgingReceiver has no option "autoAcknowledge"'],
    [{ autoack: false }, TypeError, 'did you mean autoAck?'],
    [{ autoAck: 'no' }, TypeError, 'autoAck must be true or false'],
    [
      { ledger: new Map() },
      TypeError,
      'ledger must be a DeliveryLedger of this copy of the package, not a Map',
    ],
    [{ deadLetters: spoolPromise }, TypeError, 'deadLetters must be an open Spool, not a Promise'],
    [{ orderBy: '/host' }, TypeError, 'orderBy must be a function'],
    [{ maxDeliveries: 0 }, RangeError, 'maxDeliveries must be a whole number from 1, or Infinity'],
    [{ maxDeliveries: 1.5 }, RangeError, 'maxDeliveries'],
    [{ maxUnacknowledged: '9' }, TypeError, 'maxUnacknowledged'],
    [{ maxMessageBytes: 2 ** 20 }, RangeError, 'maxMessageBytes must be a whole number from 1 to 1048575'],
    [{ minHeartbeatMs: 1 }, RangeError, 'minHeartbeatMs must be a number of milliseconds from 10'],
    [{ onInvalid: 'ignore' }, TypeError, 'onInvalid must be one of "throw", "skip"'],
  ])('refuses %o, and leaves the connection usable', async (options, kind, text) => {
    const { server } = await connectedPair()
    const make = (): AcknowledgingReceiver => new AcknowledgingReceiver(server, 'r', wrong(options))
    expect(make).toThrow(kind)
    expect(make).toThrow(text)
    await new AcknowledgingReceiver(server, 'r').close()
  })

  it('refuses a connection that has a receiver already, and does not disturb it', async () => {
    const { server } = await connectedPair()
    const receiver = new AcknowledgingReceiver(server, 'first')
    expect(() => new AcknowledgingReceiver(server, 'second')).toThrow(TypeError)
    await receiver.close()
  })

  it('refuses a handler that is not a function, and unknown options of handle', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    await dial('test', { directory })
    const receiver = new AcknowledgingReceiver(await listener.accept(), 'r', { autoAck: false })
    expect(await rejectionOf(receiver.handle(wrong({})))).toMatchObject({
      message: 'handle: handler must be a function, not a plain object',
    })
    expect(await rejectionOf(receiver.handle(() => undefined, wrong({ concurency: 2 })))).toMatchObject({
      message: expect.stringContaining('did you mean concurrency?') as unknown,
    })
    await receiver.close()
  })
})

it('DeliveryLedger refuses unknown options', () => {
  expect(() => new DeliveryLedger(wrong({ maxSessionPerUser: 1 }))).toThrow(
    'did you mean maxSessionsPerUser?',
  )
  expect(() => new DeliveryLedger(wrong({ onForgotten: 1 }))).toThrow(TypeError)
})
