// A check that is removed in a copy of the library, and the tests that must notice.

export interface Mutation {
  /** The promise that the check keeps. */
  readonly name: string
  /** How the row of SECURITY.md begins that makes this promise; undefined for a promise of docs/delivery.md alone. */
  readonly claim?: string
  /** Path from the root of the project. One below native/ is compiled. */
  readonly file: string
  /** A text that the file has exactly once. */
  readonly from: string
  readonly to: string
  /** Test files, as vitest takes them. */
  readonly tests: readonly string[]
  /** Runs only the tests whose full name matches, as vitest's -t: for files of which the others take long. */
  readonly named?: string
  /** The tests start processes of the package, so it is bundled again. */
  readonly bundled?: boolean
}

/** How often a text occurs in another one. */
export function countOf(part: string, text: string): number {
  return text.split(part).length - 1
}
