// One connection of an acknowledging receiver: reads lines, checks the numbers that the sender states, acknowledges
// settled messages, and notices when the sender falls silent. State that outlives the connection is in the ledger; the
// messages go to the dispatcher.
//
//     greeting ──statement──> numbered ──┐
//        └──a message without one──> plain ──┴──> ended

import { IpcError } from '../../base/errors.js'
import { closeBecause, type Connection } from '../../connection/connection.js'
import { EndpointEvents } from '../../endpoints/endpoint-events.js'
import type { SOCMessage } from '../../message/message.js'
import { isObserved, type OnEvent } from '../../observe/lifecycle.js'
import { userOf } from '../../peer/peer.js'
import { parseStatement, violation } from '../protocol/control.js'
import { SilenceWatch } from '../protocol/silence-watch.js'
import { Acknowledger, type AcknowledgerOptions } from './acknowledger.js'
import type { Dispatcher } from './dispatcher.js'
import type { DeliveryLedger } from './ledger.js'
import { LineInput, type LineInputOptions } from './line-input.js'
import { NumberFlow } from './number-flow.js'
import type { Session } from './session.js'

const MAX_DEPTH = 256
const LEAST_IDLE_MS = 1000
const HEARTBEATS_OF_SILENCE = 3

export interface ReceiverLinkOptions extends AcknowledgerOptions, LineInputOptions {
  readonly ledger: DeliveryLedger
  /** Infinity: derived from the sender's heartbeat. */
  readonly idleTimeoutMs: number
  readonly onEvent: OnEvent | undefined
}

export class ReceiverLink {
  readonly #connection: Connection
  readonly #name: string
  readonly #options: ReceiverLinkOptions
  readonly #dispatcher: Dispatcher
  readonly #input: LineInput
  readonly #acknowledger: Acknowledger
  #state: 'greeting' | 'numbered' | 'plain' | 'ended' = 'greeting'
  #flow: NumberFlow | undefined
  #silence: SilenceWatch | undefined
  #events: EndpointEvents | undefined
  #gaps = 0
  #lost = 0
  #refused = 0

  /** @throws TypeError when the connection has a receiver already */
  constructor(connection: Connection, name: string, options: ReceiverLinkOptions, dispatcher: Dispatcher) {
    this.#connection = connection
    this.#name = name
    this.#options = options
    this.#dispatcher = dispatcher
    this.#input = new LineInput(connection, name, options, this.#inputEvents())
    this.#input.start()
    this.#acknowledger = new Acknowledger(connection, options)
    this.#watchSilence(options.idleTimeoutMs)
  }

  /** The session of the sender, once it has stated one. */
  get session(): Session | undefined {
    return this.#flow?.session
  }

  get counts(): {
    refused: number
    gaps: number
    lost: number
    acknowledgements: number
    invalid: number
    bytes: number
    batches: number
  } {
    return {
      refused: this.#refused,
      gaps: this.#gaps,
      lost: this.#lost,
      acknowledgements: this.#acknowledger.written,
      invalid: this.#input.invalid,
      bytes: this.#input.bytes,
      batches: this.#input.batches,
    }
  }

  /** Call when a loop begins to wait for messages. */
  asked(): void {
    if (this.#state !== 'ended') this.#input.asked()
  }

  /** Resumes reading. Call when there is room for more messages. */
  resume(): void {
    if (this.#input.paused) this.#observed()?.resumed()
    this.#input.resume()
  }

  /** Stops reading. `error` is the reason why the connection was lost; undefined for an intended end. */
  end(error?: IpcError): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#observed()?.ended(error)
    this.#input.stop()
    this.#silence?.stop()
    this.#acknowledger.stop()
    this.#dispatcher.end()
  }

  /**
   * Leaves the session. Called only after all messages were handed out: until then, the next connection of the session
   * must be able to stop this one.
   */
  leaveSession(): void {
    const session = this.#flow?.session
    if (session === undefined) return
    session.detach(this.#sessionReader, this.#dispatcher.numbersInHand())
    this.#options.ledger.leave(session)
  }

  #inputEvents(): ConstructorParameters<typeof LineInput>[3] {
    const dispatcher = this.#dispatcher
    const isNumbered = (): boolean => this.#flow !== undefined
    return {
      get isNumbered(): boolean {
        return isNumbered()
      },
      get full(): boolean {
        return dispatcher.full
      },
      get isWanted(): boolean {
        return dispatcher.isWanted
      },
      get takesErrors(): boolean {
        return dispatcher.takesErrors
      },
      beginRead: (bytes) => dispatcher.beginRead(bytes),
      onRun: (messages, first, bytes, read) => {
        if (this.#flow !== undefined) this.#flow.onLines(first, messages.length)
        else if (this.#state === 'greeting') this.#state = 'plain'
        dispatcher.add(messages, first, bytes, read)
      },
      onControl: (message) => {
        this.#onStatement(message)
      },
      onRefused: (reason, error) => {
        this.#flow?.onRefusal(reason)
        if (error !== undefined) dispatcher.addError(error)
      },
      onFailure: (error) => {
        this.#fail(error)
      },
      onEnd: (error) => {
        if (error !== undefined) dispatcher.addError(error)
        this.end(error)
      },
      onPaused: () => {
        this.#observed()?.paused()
      },
    }
  }

  #onStatement(message: SOCMessage): void {
    const statement = parseStatement(message)
    if (this.#flow !== undefined) {
      this.#flow.onStatement(statement)
      return
    }
    if (this.#state === 'plain') throw violation('late-statement', 'messages before its first statement')
    const { ledger, idleTimeoutMs } = this.#options
    const { session: id, lowest, next } = statement
    const session = ledger.open(userOf(this.#connection.peer), id, lowest, next)
    session.attach(this.#sessionReader)
    this.#dispatcher.begin(session)
    this.#state = 'numbered'
    this.#flow = new NumberFlow(session, statement, {
      onLost: (messages) => {
        ++this.#gaps
        this.#lost += messages
        this.#acknowledger.onSettled()
      },
      onRefused: () => {
        ++this.#refused
      },
    })
    const { maxMessageBytes } = this.#input
    this.#acknowledger.start(session, statement.heartbeatMs, { maxMessageBytes, maxDepth: MAX_DEPTH })
    if (idleTimeoutMs === Infinity) {
      this.#watchSilence(Math.max(HEARTBEATS_OF_SILENCE * statement.heartbeatMs, LEAST_IDLE_MS))
    }
  }

  readonly #sessionReader = {
    onFenced: (): number[] => {
      const numbers = this.#dispatcher.fence()
      this.end()
      closeBecause(this.#connection, 'closed')
      return numbers
    },
    onSettled: (): void => {
      this.#acknowledger.onSettled()
    },
    onFreed: (): void => {
      this.#dispatcher.onFreed()
    },
    countInHand: (first: number, last: number): number => this.#dispatcher.countInHand(first, last),
  }

  #watchSilence(limitMs: number): void {
    this.#silence = new SilenceWatch(limitMs, {
      heard: () => this.#input.bytes,
      isListening: () => !this.#input.paused && !this.#input.stopped,
      onSilent: (forMs) => {
        const what = `${this.#name}: the sender sent nothing for ${Math.round(forMs)} ms`
        this.#fail(new IpcError('ERR_IPC_TIMEOUT', what, { reason: 'silent-peer' }))
      },
    })
  }

  #fail(error: IpcError): void {
    if (this.#state === 'ended') return
    // Messages that were read before are valid; the error follows them.
    this.#dispatcher.addError(error)
    this.end(error)
    closeBecause(this.#connection, 'closed')
  }

  /** Returns undefined while nothing listens to events. */
  #observed(): EndpointEvents | undefined {
    const { onEvent } = this.#options
    if (isObserved(onEvent)) {
      const source = { name: this.#name, connection: this.#connection }
      this.#events ??= new EndpointEvents(source, 'acknowledging-receiver', onEvent)
    }
    return this.#events
  }
}
