// The tests as test/platforms/arm64/main.ts runs them. Emulated, everything takes several times as long.

import { defineConfig, mergeConfig } from 'vitest/config'

import ordinary from '../../vitest.config.js'

export default mergeConfig(
  ordinary,
  defineConfig({
    test: {
      include: ['test/platforms/arm64/between.ts'],
      exclude: [
        // They build for, or preload into, the machine's own processor.
        'test/integration/package.test.ts',
        'test/repository/symbol-versions.test.ts',
        'test/integration/faults.test.ts',
      ],
      testTimeout: 240_000,
      hookTimeout: 240_000,
    },
  }),
)
