// Receivers and senders as streams of Node and of the web, with back-pressure in both directions: a slow reader stops
// the receiver, which stops the peer; a peer that does not read stops the writer.

import { Readable, Writable } from 'node:stream'
import { WritableStream, type ReadableStream } from 'node:stream/web'

import { hasCode, toError, type IpcError } from '../base/errors.js'
import { checkOptions, flag, oneOf, text, type OptionTable } from '../base/options.js'
import type { Receiver } from '../endpoints/receiver.js'
import type { Sender } from '../endpoints/sender.js'
import type { SOCMessage } from '../message/message.js'
import { LineSplitter, lineOf, messageOf, payloadMessage, refusalOf, withPlace } from './ndjson.js'

/** Options of {@link readableFrom} and {@link readableStreamFrom}. */
export interface ReadableOptions {
  /**
   * `object`: a stream of messages. `text`: a stream of text, one line of JSON a message (NDJSON), with the keys
   * `type`, `id`, `ts` and `payload` as on the wire. Default: `object`.
   */
  readonly as?: 'object' | 'text'
  /** With `as: 'text'`: a line holds the payload alone; messages without one are left out. Default: false. */
  readonly payloads?: boolean
}

/** Options of {@link writableTo} and {@link writableStreamTo}. */
export interface WritableOptions {
  /**
   * `object`: accepts messages. `text`: accepts text or bytes of NDJSON, in chunks of any size, in the form that
   * `readableFrom` writes. Default: `object`.
   */
  readonly as?: 'object' | 'text'
  /** With `as: 'text'`: each line is the payload of a message of this type, instead of a message. */
  readonly type?: string
  /** Whether the connection stays open when the stream finishes. Default: false, so the sender is closed. */
  readonly keepOpen?: boolean
}

const READABLE_OPTIONS: OptionTable<ReadableOptions> = { as: oneOf('object', 'text'), payloads: flag }
const WRITABLE_OPTIONS: OptionTable<WritableOptions> = {
  as: oneOf('object', 'text'),
  type: text,
  keepOpen: flag,
}
/** `highWaterMark` of a stream of messages: about the messages of one read. */
const OBJECTS_WAITING = 256

/**
 * Returns the messages of a receiver as a stream. The stream ends with the connection, and fails with the receiver's
 * error; an invalid line makes it fail too, unless the receiver skips invalid lines. Destroying the stream closes the
 * connection. Nothing else may read from the receiver.
 *
 * @throws TypeError for options that are not allowed
 */
export function readableFrom(receiver: Receiver, options: ReadableOptions = {}): Readable {
  const { as = 'object', payloads = false } = checkOptions('readableFrom', options, READABLE_OPTIONS)
  if (payloads && as === 'object') throw new TypeError("readableFrom: payloads needs as: 'text'")
  const batches = receiver.batches()
  /** Messages of a batch that the stream had no room for. */
  let rest: SOCMessage[] = []
  let at = 0
  let ended = false
  const end = (stream: Readable): void => {
    ended = true
    stream.push(null)
  }
  const pushRest = (stream: Readable): boolean => {
    while (at < rest.length) if (!stream.push(rest[at++])) return false
    return true
  }
  const readMessages = async (stream: Readable): Promise<void> => {
    if (!pushRest(stream)) return
    const { value, done } = await batches.next()
    if (done === true) {
      end(stream)
      return
    }
    rest = value
    at = 0
    pushRest(stream)
  }
  const readText = async (stream: Readable): Promise<void> => {
    for (;;) {
      const { value, done } = await batches.next()
      if (done === true) {
        end(stream)
        return
      }
      const lines = payloads ? value.map(payloadLine) : value.map(lineOf)
      const chunk = lines.join('')
      // After an empty chunk, Node would not call read() again.
      if (chunk === '') continue
      stream.push(chunk)
      return
    }
  }
  const read = as === 'object' ? readMessages : readText
  return new Readable({
    ...(as === 'object'
      ? { objectMode: true, highWaterMark: OBJECTS_WAITING }
      : { encoding: 'utf8', highWaterMark: 1 << 16 }),
    read() {
      read(this).catch((error: unknown) => {
        this.destroy(toError(error))
      })
    },
    destroy(error, done) {
      // After the end of the stream, the connection may still be written to.
      if (!ended) receiver.connection.destroy()
      done(error)
    },
  })
}

function payloadLine({ rawPayload }: SOCMessage): string {
  return rawPayload === undefined ? '' : `${rawPayload}\n`
}

/**
 * Returns a stream that sends the messages written to it. A write completes when the kernel has its messages, so that
 * `pipeline` is no faster than the peer reads. Finishing the stream closes the sender, unless `keepOpen`. Destroying it
 * earlier destroys the connection, except without an error and with `keepOpen`.
 *
 * @throws TypeError for options that are not allowed
 */
export function writableTo(sender: Sender, options: WritableOptions = {}): Writable {
  const { as = 'object', type, keepOpen = false } = checkOptions('writableTo', options, WRITABLE_OPTIONS)
  if (type !== undefined && as === 'object') throw new TypeError("writableTo: type needs as: 'text'")
  const lines = new SentLines(sender, type)
  const send = (chunks: readonly unknown[]): Promise<void> =>
    as === 'object'
      ? sender.sendBatch(chunks as readonly SOCMessage[])
      : lines.send(chunks as readonly (string | Uint8Array)[])
  const finish = async (): Promise<void> => {
    if (as === 'text') await lines.end()
    if (!keepOpen) await sender.close()
  }
  return new Writable({
    ...(as === 'object'
      ? { objectMode: true, highWaterMark: OBJECTS_WAITING }
      : { decodeStrings: false, highWaterMark: 1 << 16 }),
    write(chunk: unknown, _encoding, done) {
      settle(() => send([chunk]), done)
    },
    writev(chunks, done) {
      settle(() => send(chunks.map(({ chunk }): unknown => chunk)), done)
    },
    final(done) {
      settle(finish, done)
    },
    destroy(error, done) {
      if (error !== null || !(keepOpen || this.writableFinished)) sender.connection.destroy()
      done(error)
    },
  })
}

/** Sends the lines of a text. An error about a line states its number. */
class SentLines {
  readonly #sender: Sender
  readonly #toMessage: (line: string) => SOCMessage
  readonly #splitter = new LineSplitter()
  /** Number of lines so far. */
  #count = 0

  constructor(sender: Sender, type: string | undefined) {
    this.#sender = sender
    this.#toMessage = type === undefined ? messageOf : (line) => payloadMessage(type, line)
  }

  async send(chunks: readonly (string | Uint8Array)[]): Promise<void> {
    await this.#sendLines(chunks.flatMap((chunk) => this.#splitter.split(chunk)))
  }

  async end(): Promise<void> {
    await this.#sendLines(this.#splitter.end())
  }

  async #sendLines(lines: readonly string[]): Promise<void> {
    const before = this.#count
    this.#count += lines.length
    try {
      await this.#sender.sendBatch(lines.filter((line) => line !== '').map(this.#toMessage))
    } catch (error) {
      throw isOfLine(error) ? this.#placed(error, lines, before) : error
    }
  }

  /** Looks for the first line that cannot be sent. */
  #placed(error: IpcError, lines: readonly string[], before: number): IpcError {
    for (const [i, line] of lines.entries()) {
      if (line !== '' && !this.#canBeSent(line)) return withPlace(error, line, before + i + 1)
    }
    return error
  }

  #canBeSent(line: string): boolean {
    try {
      return refusalOf(this.#toMessage(line)) === undefined
    } catch {
      return false
    }
  }
}

function isOfLine(error: unknown): error is IpcError {
  return hasCode(error, 'ERR_IPC_INVALID_MESSAGE') || hasCode(error, 'ERR_IPC_MESSAGE_TOO_LARGE')
}

/** Calls `done` when the work is done, with the error if it threw or rejected. */
function settle(work: () => Promise<void>, done: (error?: Error | null) => void): void {
  // Only errors of the work may reach `done`; an error that `done` throws must not call it again.
  new Promise<void>((resolve) => {
    resolve(work())
  }).then(
    () => {
      done()
    },
    (error: unknown) => {
      done(toError(error))
    },
  )
}

/** As {@link readableFrom}, as a web stream. Cancelling it closes the connection. */
export function readableStreamFrom<Chunk = SOCMessage>(
  receiver: Receiver,
  options?: ReadableOptions,
): ReadableStream<Chunk> {
  return Readable.toWeb(readableFrom(receiver, options)) as ReadableStream<Chunk>
}

/** As {@link writableTo}, as a web stream. Aborting it destroys the connection at once. */
export function writableStreamTo<Chunk = SOCMessage>(
  sender: Sender,
  options?: WritableOptions,
): WritableStream<Chunk> {
  // Not by Writable.toWeb: its abort waits for the write under way, which a peer that does not read holds up.
  const stream = writableTo(sender, options)
  return new WritableStream<Chunk>({
    start(controller) {
      // The types of Node leave out the signal.
      const { signal } = controller as { readonly signal?: AbortSignal }
      signal?.addEventListener('abort', () => {
        stream.destroy(toError(signal.reason))
      })
      stream.on('error', (error) => {
        controller.error(error)
      })
    },
    write: (chunk) => (stream.write(chunk) ? undefined : reached(stream, 'drain')),
    close() {
      stream.end()
      return reached(stream, 'finish')
    },
  })
}

/** Resolves at the event. Rejects when the stream is destroyed before, which only happens with an error. */
function reached(stream: Writable, event: 'drain' | 'finish'): Promise<void> {
  return new Promise((resolve, reject) => {
    const onEvent = (): void => {
      stream.off('close', onClosed)
      resolve()
    }
    const onClosed = (): void => {
      stream.off(event, onEvent)
      reject(stream.errored ?? new Error(`the stream was closed before its ${event}`))
    }
    stream.once(event, onEvent)
    stream.once('close', onClosed)
  })
}
