import { defineConfig } from 'vitest/config'

const conditions = ['jack:src', 'node', 'module']

export default defineConfig({
  ssr: { resolve: { conditions } },
  environments: { __vitest__: { resolve: { conditions } } },
  test: {
    include: ['{packages/*/src,tests,docs,skill}/**/*.test.ts'],
    globalSetup: ['packages/api/src/store/testing/postgres.ts'],
    // They wait for processes more than they compute.
    maxWorkers: '100%',
    execArgv: ['--conditions=jack:src'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
