// Rewrites declarations that the compiler made, so that they fit CommonJS files, and compilers from TypeScript 5.0 on.

/** Imports of `.js` become imports of `.cjs`. */
export function toCommonJs(declarations: string): string {
  return declarations
    .replace(/((?:from|import\() ?['"]\.[^'"]*)\.js(['"])/g, '$1.cjs$2')
    .replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n')
}

/** Before TypeScript 5.6, AsyncIterableIterator said nothing of the value that ends an iteration. AsyncIterator always did. */
const ITERATION = `interface AsyncIteration<T, R = undefined, N = unknown> extends AsyncIterator<T, R, N> {
  [Symbol.asyncIterator](): AsyncIteration<T, R, N>
}
`

/** Replaces types that take more arguments than they did in TypeScript 5.0. */
export function forOldCompilers(declarations: string): string {
  const plain = declarations
    // Generic from 5.7 on.
    .replace(
      /\b((?:Int|Uint|Float)(?:8|16|32|64)(?:Clamped)?Array|Buffer|DataView)<ArrayBuffer(?:Like)?>/g,
      '$1',
    )
    .replace(/\bAsyncIterableIterator</g, 'AsyncIteration<')
  return plain === declarations || !plain.includes('AsyncIteration<') ? plain : `${plain}${ITERATION}`
}
