import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// `pnpm soak`: long runs that look for leaks. JACK_SOAK_MINUTES says how long, 5 by default.
export default defineConfig({
  ...base,
  test: { ...base.test, include: ['tests/soak/*.soak.ts'], testTimeout: 3_600_000 },
})
