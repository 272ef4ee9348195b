// How release/ rewrites declarations. That compilers accept the outcome is tested by npm run test:runners.

import { describe, expect, it } from 'vitest'

import { forOldCompilers, toCommonJs } from '../../release/declarations.js'

describe('declarations', () => {
  it('import files of CommonJS', () => {
    const declarations = `import type { A } from './a.js';\nexport type B = import('../b.js').B;\n//# sourceMappingURL=c.d.ts.map`
    expect(toCommonJs(declarations)).toBe(
      `import type { A } from './a.cjs';\nexport type B = import('../b.cjs').B;\n`,
    )
  })

  it('give typed arrays no arguments, which they take from TypeScript 5.7 on', () => {
    expect(
      forOldCompilers('let a: Int32Array<ArrayBuffer>, b: Buffer<ArrayBufferLike>, c: Array<ArrayBuffer>'),
    ).toBe('let a: Int32Array, b: Buffer, c: Array<ArrayBuffer>')
  })

  it('say what ends an iteration without the arguments of TypeScript 5.6', () => {
    const made = forOldCompilers(
      'export declare class R implements AsyncIterableIterator<A, undefined, undefined> {}\n',
    )
    expect(made).toContain('class R implements AsyncIteration<A, undefined, undefined> {}')
    expect(made).toContain(
      'interface AsyncIteration<T, R = undefined, N = unknown> extends AsyncIterator<T, R, N>',
    )
    expect(forOldCompilers('export type A = 1')).toBe('export type A = 1')
  })
})
