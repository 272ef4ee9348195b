import tseslint from 'typescript-eslint'

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
    },
  },
  {
    files: ['test/**'],
    // Tests pass on purpose what the types forbid.
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
  { files: ['eslint.config.js'], extends: [tseslint.configs.disableTypeChecked] },
)
