// Both ends of acknowledged delivery against a reference: any interleaving of sending, reading, settling, lost connections,
// replaced receivers and, with a spool, replaced senders must give every message the outcome that the reference gives it, hand out no message that is settled,
// and keep the sums.

import fc from 'fast-check'
import { expect, it } from 'vitest'

import { AcknowledgedSender } from '../../lib/delivery/sender/acknowledged-sender.js'
import type { AcknowledgedSenderStats } from '../../lib/delivery/sender/options.js'
import type { SendResult } from '../../lib/delivery/sender/outcome.js'
import { AcknowledgingReceiver } from '../../lib/delivery/receiver/acknowledging-receiver.js'
import { DeliveryLedger } from '../../lib/delivery/receiver/ledger.js'
import { listen, type Listener } from '../../lib/connection/listener.js'
import type { SOCMessage } from '../../lib/message/message.js'
import { newSOCMessage } from '../../lib/message/new-message.js'
import { imbalanceOf } from '../support/delivery-sums.js'
import { MemorySpool } from '../support/memory-spool.js'
import { temporaryDirectory } from '../support/directory.js'
import { until } from '../support/wait.js'

/** More of them, for a hunt: DELIVERY_RUNS=3000. */
const RUNS = Number(process.env.DELIVERY_RUNS ?? 30)
const MAX_DELIVERIES = 3
const MAX_MESSAGE_BYTES = 2000

/** The reference: what must become of each message. It knows nothing of numbers, connections or acknowledgements. */
class Reference {
  readonly #state = new Map<string, 'sent' | 'in hand' | 'acknowledged' | 'rejected'>()
  readonly #deliveries = new Map<string, number>()

  send(id: string, refused: boolean): void {
    this.#state.set(id, refused ? 'rejected' : 'sent')
  }

  handOut(id: string, deliveries: number): void {
    expect(this.#state.get(id), `message ${id} is handed out`).toBe('sent')
    this.#state.set(id, 'in hand')
    const count = (this.#deliveries.get(id) ?? 0) + 1
    this.#deliveries.set(id, count)
    expect(deliveries, `deliveries of message ${id}`).toBe(count)
  }

  settle(id: string, outcome: 'acknowledged' | 'rejected'): void {
    this.#state.set(id, outcome)
  }

  release(id: string): void {
    this.#state.set(id, (this.#deliveries.get(id) ?? 0) >= MAX_DELIVERIES ? 'rejected' : 'sent')
  }

  outcomes(): Record<string, string | undefined> {
    return Object.fromEntries(this.#state)
  }
}

type Step =
  | { readonly kind: 'send'; readonly count: number; readonly large: boolean }
  | { readonly kind: 'take' | 'accept' | 'reject' | 'release'; readonly pick: number }
  | { readonly kind: 'cut' | 'close' | 'restart' | 'turn' | 'pause' }

/** Both ends, with manual settlement by one application that reads every connection there is. */
class Ends {
  readonly reference = new Reference()
  readonly receivers: AcknowledgingReceiver[] = []
  readonly results = new Map<string, Promise<SendResult>>()
  sender: AcknowledgedSender
  /** The counts of earlier senders, without what they left to the next one. */
  readonly #earlier: AcknowledgedSenderStats[] = []
  readonly #directory: string
  readonly #spool: MemorySpool | undefined
  readonly #ledger = new DeliveryLedger()
  readonly #listener: Listener
  readonly #batches: boolean
  readonly #inHand: { readonly message: SOCMessage; readonly receiver: AcknowledgingReceiver }[] = []
  /** Receivers that were closed by hand. */
  readonly #closed = new Set<AcknowledgingReceiver>()
  /** Messages that the application may take before it asks again. */
  #wanted = 0
  #waiting: (() => void)[] = []
  #sent = 0
  failure: unknown

  private constructor(directory: string, listener: Listener, spooled: boolean, batches: boolean) {
    this.#directory = directory
    this.#listener = listener
    this.#spool = spooled ? new MemorySpool() : undefined
    this.#batches = batches
    this.sender = this.#newSender()
    void this.#accept()
  }

  static async start(spooled: boolean, batches: boolean): Promise<Ends> {
    const directory = temporaryDirectory()
    const listener = await listen('test', { directory })
    return new Ends(directory, listener, spooled, batches)
  }

  #newSender(): AcknowledgedSender {
    const spool = this.#spool && { spool: this.#spool.detach() }
    const options = { directory: this.#directory, minBackoffMs: 1, maxBackoffMs: 4, ...spool }
    return new AcknowledgedSender('test', options)
  }

  /** Another sender goes on with what is in the spool. */
  async restart(): Promise<void> {
    if (this.#spool === undefined) return
    await this.sender.close({ timeoutMs: 1 })
    const { stats } = this.sender
    this.#earlier.push({ ...stats, accepted: stats.accepted - stats.pending, pending: 0 })
    this.sender = this.#newSender()
    expect(this.sender.stats.recovered).toBe(stats.pending)
  }

  /** Fails the test unless all counts add up. */
  checkSums(settled: boolean): void {
    const senders = [...this.#earlier, this.sender.stats]
    const receivers = this.receivers.map(({ stats }) => stats)
    expect(imbalanceOf({ senders, receivers, settled })).toEqual([])
  }

  send(count: number, large: boolean): void {
    for (let i = 0; i < count; ++i) {
      const id = String(this.#sent++)
      const refused = large && i === 0
      const message = newSOCMessage('soc_event', refused ? 'x'.repeat(MAX_MESSAGE_BYTES) : 1, { id })
      this.reference.send(id, refused)
      // Once it has heard what the receiver takes, the sender refuses a large one itself.
      this.results.set(
        id,
        this.sender.send(message).catch(() => ({ status: 'rejected' as const })),
      )
    }
  }

  want(count: number): void {
    this.#wanted += count
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }

  settle(kind: 'accept' | 'reject' | 'release', pick: number): void {
    const [held] = this.#inHand.splice(pick % Math.max(1, this.#inHand.length), 1)
    if (held === undefined) return
    const { message, receiver } = held
    if (kind === 'accept') receiver.acknowledge(message)
    else if (kind === 'reject') message.reject('no')
    else message.release()
    if (kind === 'release') this.reference.release(message.id)
    else this.reference.settle(message.id, kind === 'accept' ? 'acknowledged' : 'rejected')
  }

  cut(): void {
    this.receivers.at(-1)?.connection.destroy()
  }

  /** Closes the present receiver, which gives back what the application has of it. */
  async close(): Promise<void> {
    const receiver = this.receivers.at(-1)
    if (receiver === undefined) return
    this.#closed.add(receiver)
    for (const held of this.#inHand.filter((each) => each.receiver === receiver)) {
      this.#inHand.splice(this.#inHand.indexOf(held), 1)
      this.reference.release(held.message.id)
    }
    await receiver.close()
  }

  /** Settles everything, until the sender has nothing left. */
  async finish(): Promise<void> {
    this.want(Infinity)
    await until(() => {
      while (this.#inHand.length > 0) this.settle('accept', 0)
      return this.failure !== undefined || this.sender.pending === 0
    })
    if (this.failure !== undefined) throw this.failure as Error
    const outcomes = this.reference.outcomes()
    for (const [id, result] of this.results) {
      const { status } = await result
      if (status !== 'spooled') expect(status, `what send said of message ${id}`).toBe(outcomes[id])
    }
    await until(() => this.receivers.every(({ stats }) => stats.inHand + stats.waiting === 0))
  }

  async stop(): Promise<void> {
    await this.sender.close({ timeoutMs: 1 }).catch(() => undefined)
    this.#listener.close()
    for (const { connection } of this.receivers) connection.destroy()
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      const receiver = new AcknowledgingReceiver(connection, 'r', {
        ledger: this.#ledger,
        autoAck: false,
        maxDeliveries: MAX_DELIVERIES,
        maxMessageBytes: MAX_MESSAGE_BYTES,
        onInvalid: 'skip',
        ackDelayMs: 1,
        ackEveryMessages: 3,
        maxUnacknowledged: 12,
      })
      this.receivers.push(receiver)
      void this.#read(receiver).catch((error: unknown) => (this.failure ??= error))
    }
  }

  async #read(receiver: AcknowledgingReceiver): Promise<void> {
    const runs = this.#batches ? receiver.batches() : undefined
    for (;;) {
      while (this.#wanted <= 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
      const { value, done } = await (runs ?? receiver).next()
      if (done === true) return
      for (const message of Array.isArray(value) ? value : [value]) {
        --this.#wanted
        this.reference.handOut(message.id, message.deliveries)
        // The step that caused the hand-out and the one that closed the receiver may be of the same turn: then the message was
        // given back before the application saw it.
        if (this.#closed.has(receiver)) this.reference.release(message.id)
        else this.#inHand.push({ message, receiver })
      }
    }
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      count: fc.integer({ min: 1, max: 8 }),
      large: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('take' as const, 'accept' as const, 'reject' as const, 'release' as const),
      pick: fc.nat(20),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'cut' as const,
        'close' as const,
        'restart' as const,
        'turn' as const,
        'pause' as const,
      ),
    }),
  },
)

it.each([
  [false, false],
  [false, true],
  [true, false],
  [true, true],
])(
  'both ends agree with the reference (spool: %s, runs: %s)',
  { timeout: Math.max(120_000, RUNS * 2000) },
  async (spooled, batches) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const ends = await Ends.start(spooled, batches)
        try {
          for (const each of steps) {
            if (each.kind === 'send') ends.send(each.count, each.large)
            else if ('pick' in each) {
              if (each.kind === 'take') ends.want(1 + each.pick)
              else ends.settle(each.kind, each.pick)
            } else if (each.kind === 'turn') await new Promise(setImmediate)
            else if (each.kind === 'pause') await new Promise((resolve) => setTimeout(resolve, 3))
            else if (each.kind === 'cut') ends.cut()
            else if (each.kind === 'restart') await ends.restart()
            else await ends.close()
            ends.checkSums(false)
          }
          await ends.finish()
          ends.checkSums(true)
        } finally {
          await ends.stop()
        }
      }),
      { numRuns: RUNS },
    )
  },
)
