// The publishes of one connection to NATS that JetStream has not acknowledged: by token, with a time-out each. Must not know
// the state of the connection.

import { PermissionViolationError, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'

import { parseJson } from '../base/json.js'
import { describeError, IpcError, toError } from '../base/errors.js'
import { clearInterval, monotonicMs, setInterval } from '../base/globals.js'
import { isTooLargeCode } from './jetstream-errors.js'

const SWEEP_MS = 250

interface Publish {
  readonly subject: string
  readonly deadlineMs: number
  readonly resolve: (acknowledgement: PublishAck) => void
  readonly reject: (error: Error) => void
}

/** JetStream's acknowledgement of a stored message. */
export interface PublishAck {
  readonly seq: number
  readonly duplicate: boolean
}

interface RawAck {
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string }
}

/** JetStream has refused a message. */
export class RefusedByStream extends Error {
  readonly code: number

  constructor(code: number, description: string) {
    super(`JetStream refused a message: ${description} (${code})`)
    this.code = code
  }
}

/** The publishes that wait for an acknowledgement. */
export class NatsPublishes {
  readonly #ackTimeoutMs: number
  readonly #waiting = new Map<string, Publish>()
  #inbox = ''
  #nextToken = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(ackTimeoutMs: number) {
    this.#ackTimeoutMs = ackTimeoutMs
  }

  /** Receives the acknowledgements of a new connection, at subjects under `inbox`. */
  begin(nc: NatsConnection, inbox: string): void {
    this.#inbox = `${inbox}.`
    nc.subscribe(`${this.#inbox}*`, {
      callback: (error, { subject, data, headers: status }) => {
        if (error === null) this.#onReply(subject.slice(this.#inbox.length), data, status)
      },
    })
    clearInterval(this.#sweep)
    this.#sweep = setInterval(() => {
      this.#expire()
    }, SWEEP_MS).unref()
  }

  /** As {@link NatsLink.publish}, over a connection that is up. */
  publish(nc: NatsConnection, subject: string, data: Uint8Array, hdrs: MsgHdrs): Promise<PublishAck> {
    const token = String(this.#nextToken++)
    return new Promise((resolve, reject) => {
      try {
        nc.publish(subject, data, { reply: this.#inbox + token, headers: hdrs })
      } catch (error) {
        reject(isTooLarge(error) ? tooLarge(error) : toError(error))
        return
      }
      const deadlineMs = monotonicMs() + this.#ackTimeoutMs
      this.#waiting.set(token, { subject, deadlineMs, resolve, reject })
    })
  }

  /** Rejects all waiting publishes: the connection is lost. */
  fail(error: Error): void {
    const publishes = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of publishes) reject(error)
  }

  /** Rejects all waiting publishes, and stops the timer of their time-outs. */
  stop(error: Error): void {
    clearInterval(this.#sweep)
    this.fail(error)
  }

  /** The server sends no acknowledgement, not even a negative one, for a message that it does not permit. */
  onServerError(error: Error): void {
    if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return
    for (const [token, { subject, reject }] of this.#waiting) {
      if (subject !== error.subject) continue
      this.#waiting.delete(token)
      const why = `NATS does not permit a message to ${subject}: give this user permission to publish there`
      reject(new IpcError('ERR_IPC_SYSTEM', why, { cause: error }))
    }
  }

  #onReply(token: string, data: Uint8Array, status: MsgHdrs | undefined): void {
    const publish = this.#waiting.get(token)
    if (publish === undefined) return
    this.#waiting.delete(token)
    if (status !== undefined && status.code >= 400) {
      publish.reject(new IpcError('ERR_IPC_CLOSED', `no stream takes the subject (${status.code})`))
      return
    }
    let ack: RawAck
    try {
      ack = parseJson(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as RawAck
    } catch (error) {
      publish.reject(
        new IpcError('ERR_IPC_INVALID_MESSAGE', 'JetStream sent an invalid acknowledgement', {
          cause: error,
        }),
      )
      return
    }
    if (ack.error !== undefined) {
      const { err_code: code = 0, description = '' } = ack.error
      const refusal = new RefusedByStream(code, description)
      publish.reject(isTooLargeCode(code) ? tooLarge(refusal) : refusal)
    } else {
      publish.resolve({ seq: ack.seq ?? 0, duplicate: ack.duplicate === true })
    }
  }

  #expire(): void {
    const nowMs = monotonicMs()
    for (const [token, { deadlineMs, reject }] of this.#waiting) {
      // In the order of publishing; all have the same time-out.
      if (deadlineMs > nowMs) return
      this.#waiting.delete(token)
      reject(new IpcError('ERR_IPC_TIMEOUT', `JetStream did not acknowledge within ${this.#ackTimeoutMs} ms`))
    }
  }
}

function tooLarge(cause: unknown): IpcError {
  return new IpcError('ERR_IPC_MESSAGE_TOO_LARGE', `NATS does not take it: ${describeError(cause)}`, {
    cause,
  })
}

function isTooLarge(error: unknown): boolean {
  return /max_payload/i.test(describeError(error))
}
