// Checks the payloads of received messages with schemas, one for each type.
//
// A layer above the receivers rather than an option of theirs: a check runs user code for each message and may wait,
// which the path that reads batches must not do. As a layer it also works with every source of messages.

import { describeError, IpcError } from '../base/errors.js'
import { checkOptions, describeValue, oneOf, wrongKind, type OptionTable } from '../base/options.js'
import { quoteText } from '../base/quote.js'
import { publishInvalid, wantsInvalid } from '../connection/audit.js'
import type { Connection } from '../connection/connection.js'
import { deliveryOf, type SOCMessage } from '../message/message.js'
import type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.js'

/** Schemas by the type of the messages that they check. */
export type Schemas = Readonly<Record<string, StandardSchema>>

/** The type of a payload after its schema has validated it. */
export type OutputOf<Schema> = Schema extends StandardSchema<infer Output> ? Output : never

/** A message whose payload has passed its schema, discriminated by `type`. */
export type ValidatedMessage<Checks extends Schemas> = {
  [Type in keyof Checks & string]: {
    /** The type, which has a schema. */
    readonly type: Type
    /** The value that the schema returned: with its defaults and transformations. */
    readonly payload: OutputOf<Checks[Type]>
    /** The message as it was received. */
    readonly message: SOCMessage
  }
}[keyof Checks & string]

/** A source of messages: a `Receiver`, an `AcknowledgingReceiver`, or the `messages` of an `Endpoint`. */
export interface MessageSource {
  /** The next message. */
  next(): Promise<IteratorResult<SOCMessage, undefined>>
  /** Ends the iteration; a receiver closes its connection. */
  return?(): Promise<unknown>
  /** The name for errors. */
  readonly name?: string
  /** The connection for audit events. */
  readonly connection?: Connection
}

/** Options of {@link validated}. */
export interface ValidatedOptions {
  /**
   * What to do with a violation. `throw` rejects one `next()`, and the next call goes on; `skip` only counts it.
   * Default: `throw`.
   */
  readonly onInvalid?: 'throw' | 'skip'
  /**
   * Violations tolerated before the iteration ends, which closes a receiver; `Infinity` for any number. Default: 1000.
   */
  readonly maxInvalid?: number
}

/** Counts of {@link ValidatedMessages}. */
export interface ValidatedStats {
  /** Messages that passed their schema. */
  readonly valid: number
  /** Messages that did not, or whose type has no schema. */
  readonly invalid: number
}

/** The messages that {@link validated} hands out. */
export interface ValidatedMessages<Checks extends Schemas> extends AsyncIterableIterator<
  ValidatedMessage<Checks>,
  undefined,
  undefined
> {
  /** Counts since it was made. */
  readonly stats: ValidatedStats
}

const OPTIONS: OptionTable<ValidatedOptions> = {
  onInvalid: oneOf('throw', 'skip'),
  maxInvalid: (value, name) => {
    if (typeof value !== 'number' || !(value >= 0)) throw new RangeError(`${name} must be 0 or more`)
  },
}
const DEFAULT_MAX_INVALID = 1000
const MAX_ISSUES = 3
const MAX_TEXT = 300

type Result<Checks extends Schemas> = IteratorResult<ValidatedMessage<Checks>, undefined>

class Validation<Checks extends Schemas> implements ValidatedMessages<Checks> {
  readonly #source: MessageSource
  readonly #name: string
  // In a Map: a type such as `constructor` must not find what objects inherit.
  readonly #schemas: ReadonlyMap<string, StandardSchema>
  readonly #skips: boolean
  readonly #maxInvalid: number
  #valid = 0
  #invalid = 0

  constructor(
    source: MessageSource,
    schemas: ReadonlyMap<string, StandardSchema>,
    { onInvalid, maxInvalid }: ValidatedOptions,
  ) {
    this.#source = source
    this.#name = source.name ?? 'validated'
    this.#schemas = schemas
    this.#skips = onInvalid === 'skip'
    this.#maxInvalid = maxInvalid ?? DEFAULT_MAX_INVALID
  }

  get stats(): ValidatedStats {
    return { valid: this.#valid, invalid: this.#invalid }
  }

  async next(): Promise<Result<Checks>> {
    for (;;) {
      const { value: message, done } = await this.#source.next()
      if (done === true) return { value: undefined, done: true }
      const checked = await check(this.#name, this.#schemas.get(message.type), message)
      if ('value' in checked) {
        ++this.#valid
        const value = { type: message.type, payload: checked.value, message }
        return { value: value as ValidatedMessage<Checks>, done: false }
      }
      await this.#refuse(message, checked.error)
      if (!this.#skips) throw checked.error
    }
  }

  async return(): Promise<Result<Checks>> {
    await this.#source.return?.()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** @throws {IpcError} ERR_IPC_CLOSED when there were too many */
  async #refuse(message: SOCMessage, error: IpcError): Promise<void> {
    ++this.#invalid
    // The sender is told the reason, and does not send the message again.
    if (deliveryOf(message) !== undefined) message.reject(error.message)
    const { peer } = message
    if (peer !== undefined && wantsInvalid()) {
      publishInvalid({ address: this.#source.connection?.address ?? '', peer, error })
    }
    if (this.#invalid <= this.#maxInvalid) return
    await this.#source.return?.()
    throw new IpcError(
      'ERR_IPC_CLOSED',
      `${this.#name}: the peer sent more than ${this.#maxInvalid} invalid messages (maxInvalid); the last one: ${error.message}`,
      { reason: 'too-many-invalid', cause: error },
    )
  }
}

/**
 * The messages of a source whose payloads pass the schema of their type. A type without a schema is a violation too. In
 * a `for await` loop the first violation ends the loop, unless it is skipped; `next()` can be called again for the next
 * message. A violation is published on `sentinel-ipc:invalid`; a message of an acknowledged sender is also rejected,
 * with the reason.
 *
 * @throws {IpcError} from `next()`: ERR_IPC_INVALID_MESSAGE with reason `schema`, or `unknown-type`, with the path and
 *   the text of the issues, which `cause` lists; ERR_IPC_CLOSED with reason `too-many-invalid`; and as the source
 * @throws TypeError for a source without `next()`, a schema that does not implement Standard Schema, or an option that
 *   is not allowed; RangeError for a `maxInvalid` that is not 0 or more
 */
export function validated<const Checks extends Schemas>(
  source: MessageSource,
  schemas: Checks,
  options?: ValidatedOptions,
): ValidatedMessages<Checks> {
  if (typeof (source as Partial<MessageSource> | null | undefined)?.next !== 'function') {
    throw wrongKind('validated: the source', 'a Receiver, or an iterator of messages', source)
  }
  const byType = new Map<string, StandardSchema>()
  for (const [type, schema] of Object.entries(schemas)) {
    // A schema may be a function, as those of arktype are.
    const standard = (schema as Partial<StandardSchema> | null | undefined)?.['~standard']
    if (typeof standard?.validate !== 'function') {
      throw wrongKind(`validated: the schema of ${type}`, 'a Standard Schema', schema)
    }
    byType.set(type, schema)
  }
  return new Validation<Checks>(source, byType, checkOptions('validated', options, OPTIONS))
}

/** Never rejects. A schema that throws has not validated anything: the message is invalid. */
async function check(
  name: string,
  schema: StandardSchema | undefined,
  message: SOCMessage,
): Promise<{ readonly value: unknown } | { readonly error: IpcError }> {
  if (schema === undefined) {
    return { error: violation(name, message, 'unknown-type', 'there is no schema for its type') }
  }
  try {
    const checking = schema['~standard'].validate(message.payload)
    // Awaited only if it is a promise: most schemas validate synchronously.
    const result = 'then' in checking ? await checking : checking
    if (result.issues === undefined) return { value: result.value }
    return { error: violation(name, message, 'schema', describeIssues(result), result.issues) }
  } catch (error) {
    return { error: violation(name, message, 'schema', `its schema threw: ${describeError(error)}`, error) }
  }
}

function violation(
  name: string,
  { type, id }: SOCMessage,
  reason: 'schema' | 'unknown-type',
  what: string,
  cause?: unknown,
): IpcError {
  return new IpcError(
    'ERR_IPC_INVALID_MESSAGE',
    `${name}: message ${describeValue(id)} of type ${describeValue(type)}: ${what}`,
    { reason, cause },
  )
}

function describeIssues({ issues = [] }: StandardResult<unknown>): string {
  const described = issues.slice(0, MAX_ISSUES).map(describeIssue)
  const more = issues.length - described.length
  return described.join('; ') + (more > 0 ? `; and ${more} more` : '')
}

function describeIssue({ message, path = [] }: StandardIssue): string {
  // A JSON Pointer (RFC 6901), escaped as JSON: its keys may be the peer's.
  const pointer = path
    .map((part) => String(typeof part === 'object' ? part.key : part))
    .map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
  return `${quoteText(pointer, MAX_TEXT)}: ${quoteText(message.slice(0, MAX_TEXT), MAX_TEXT).slice(1, -1)}`
}
