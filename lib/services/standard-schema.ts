// The part of Standard Schema (https://standardschema.dev) that this library uses. zod, valibot and arktype implement
// it, so that no schema library is imported here.

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
