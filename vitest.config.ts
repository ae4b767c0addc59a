import { defineConfig } from 'vitest/config'

const conditions = ['@dmascope/source']
const results = process.env.DMASCOPE_TEST_RESULTS

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'tooling/*/test/**/*.test.ts'],
    reporters: results === undefined ? ['default'] : ['default', ['json', { outputFile: results }]],
    // Property tests run tens of thousands of times in CI, on two cores.
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
})
