// A check that is removed in a copy of the library, and the tests that must notice.

export interface Mutation {
  /** The promise that the check keeps. */
  readonly name: string
  /** Path from the root of the project. */
  readonly file: string
  /** A text that the file has exactly once. */
  readonly from: string
  readonly to: string
  /** Test files, as vitest takes them. */
  readonly tests: readonly string[]
}
