// Checks the payloads of received messages with schemas, one for each type. Takes any schema that implements Standard
// Schema (https://standardschema.dev), as zod, valibot and arktype do; imports none of them.

import { IpcError } from '../base/errors.js'
import { describeValue, wrongKind } from '../base/options.js'
import { quoteText } from '../base/quote.js'
import type { Receiver } from '../endpoints/receiver.js'
import type { SOCMessage } from '../message/message.js'

/** The part of the interface `StandardSchemaV1` that this library uses. */
export interface StandardSchema<Output = unknown> {
  /** The interface of Standard Schema V1. */
  readonly '~standard': {
    /** Version of the interface: 1. */
    readonly version: 1
    /** Name of the schema library. */
    readonly vendor: string
    /** Validates a value. */
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    /** The types, for inference only. */
    readonly types?:
      | {
          /** Type of the value before validation. */
          readonly input: unknown
          /** Type of the value after validation. */
          readonly output: Output
        }
      | undefined
  }
}

/** The outcome of a check: a value, or the issues that were found. */
export type StandardResult<Output> =
  | {
      /** The validated value. */
      readonly value: Output
      /** What is wrong; absent if the value is valid. */
      readonly issues?: undefined
    }
  | {
      /** What is wrong with the value. */
      readonly issues: readonly StandardIssue[]
    }

/** One thing that is wrong with a value, and where. */
export interface StandardIssue {
  /** What is wrong. */
  readonly message: string
  /** Where in the payload, from the outside in. */
  readonly path?:
    | readonly (
        | PropertyKey
        | {
            /** A property name or index. */
            readonly key: PropertyKey
          }
      )[]
    | undefined
}

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

const MAX_ISSUES = 3
const MAX_TEXT = 300

/**
 * The messages of a receiver whose payloads pass the schema of their type. A type without a schema is a violation too. In
 * a `for await` loop the first violation ends the loop; `next()` can be called again for the next message.
 *
 * @throws {IpcError} from `next()`: ERR_IPC_INVALID_MESSAGE with reason `schema`, or `unknown-type`, with the path and the
 *   text of the issues; and as `Receiver.next`
 * @throws TypeError for a schema that does not implement Standard Schema
 */
export function validated<const Checks extends Schemas>(
  receiver: Receiver,
  schemas: Checks,
): AsyncIterableIterator<ValidatedMessage<Checks>, undefined, undefined> {
  // A copy in a Map: a type such as `constructor` must not find what objects inherit.
  const byType = new Map<string, StandardSchema>()
  for (const [type, schema] of Object.entries(schemas)) {
    // A schema may be a function, as arktype's are.
    const standard = (schema as Partial<StandardSchema> | null | undefined)?.['~standard']
    if (typeof standard?.validate !== 'function') {
      throw wrongKind(`validated: the schema of ${type}`, 'a Standard Schema', schema)
    }
    byType.set(type, schema)
  }
  const iterator: AsyncIterableIterator<ValidatedMessage<Checks>, undefined, undefined> = {
    next: async () => {
      const { value: message, done } = await receiver.next()
      if (done === true) return { value: undefined, done: true }
      const payload = await check(receiver.name, byType.get(message.type), message)
      return { value: { type: message.type, payload, message } as ValidatedMessage<Checks>, done: false }
    },
    return: async () => {
      await receiver.close()
      return { value: undefined, done: true }
    },
    [Symbol.asyncIterator]: () => iterator,
  }
  return iterator
}

async function check(
  name: string,
  schema: StandardSchema | undefined,
  message: SOCMessage,
): Promise<unknown> {
  if (schema === undefined) {
    throw violation(name, message, 'unknown-type', 'there is no schema for its type')
  }
  const checking = schema['~standard'].validate(message.payload)
  // Not awaited where it need not be: most schemas check at once.
  const result = 'then' in checking ? await checking : checking
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, MAX_ISSUES).map(describeIssue)
  const more = result.issues.length - issues.length
  throw violation(
    name,
    message,
    'schema',
    issues.join('; ') + (more > 0 ? `; and ${more} more` : ''),
    result.issues,
  )
}

function violation(
  name: string,
  { type, id }: SOCMessage,
  reason: string,
  what: string,
  issues?: readonly StandardIssue[],
): IpcError {
  return new IpcError(
    'ERR_IPC_INVALID_MESSAGE',
    `${name}: message ${describeValue(id)} of type ${describeValue(type)}: ${what}`,
    { reason, cause: issues },
  )
}

function describeIssue({ message, path = [] }: StandardIssue): string {
  // A JSON Pointer (RFC 6901), escaped as JSON: its keys may be the peer's.
  const pointer = path
    .map((part) => String(typeof part === 'object' ? part.key : part))
    .map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
  return `${quoteText(pointer, MAX_TEXT)}: ${quoteText(message.slice(0, MAX_TEXT), MAX_TEXT).slice(1, -1)}`
}
