import tseslint from 'typescript-eslint'

const NEXT_TICK = {
  object: 'process',
  property: 'nextTick',
  message: 'Import nextTick from base/globals.js.',
}

export default tseslint.config(
  { ignores: ['dist/', 'out/', 'build/', 'prebuilds/', '.cache/', 'coverage/', 'bench-results/'] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      // Async functions turn misuse into rejections, with or without an await of their own.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/promise-function-async': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Arguments are checked at run time: not every caller has TypeScript.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // TypeScript itself asks for brackets where a property comes from an index signature.
      '@typescript-eslint/dot-notation': 'off',
      // Indexing a typed array gives `number | undefined`; where the index is known to be in range, `as number` says so.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // A getter on the prototype costs instances nothing; a field costs each of them a word.
      '@typescript-eslint/class-literal-property-style': 'off',
    },
  },
  {
    files: ['lib/**'],
    ignores: ['lib/base/globals.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'clearImmediate',
          'queueMicrotask',
          'AbortController',
        ].map((name) => ({
          name,
          message: `Import ${name} from base/globals.js: test runners replace the global.`,
        })),
        { name: 'performance', message: 'Import monotonicMs from base/globals.js.' },
      ],
      'no-restricted-properties': [
        'error',
        NEXT_TICK,
        {
          object: 'JSON',
          property: 'parse',
          message: 'Import parseJson from base/json.js: V8 may take names with escapes for others.',
        },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: ['node:timers', 'node:timers/promises', 'node:perf_hooks'].map((name) => ({
            name,
            message: 'Use base/globals.js and base/timing.js.',
          })),
        },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "BinaryExpression[operator='instanceof'][right.name='Error']",
          message: 'Use isError of base/errors.js: errors of Node and the addon may come from another realm.',
        },
      ],
    },
  },
  {
    // The one place for it; and the benchmark's peers, which do what applications do.
    files: ['lib/base/json.ts', 'lib/cli/bench/**'],
    rules: { 'no-restricted-properties': ['error', NEXT_TICK] },
  },
  {
    files: ['lib/**'],
    ignores: ['lib/swarm/**', 'lib/lmdb/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "BinaryExpression[operator='instanceof'][right.name='Error']",
          message: 'Use isError() of base/errors.ts: instanceof fails for errors of another realm.',
        },
      ],
    },
  },
  {
    files: ['test/**'],
    // Tests pass on purpose what the types forbid.
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
  { files: ['eslint.config.js', 'examples/**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
)
