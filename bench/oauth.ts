import { fileURLToPath } from 'node:url'
import { p50, p99 } from './harness/measure.ts'
import { end, firstLine, newFolder, start } from './harness/processes.ts'
import type { Question } from './harness/Question.ts'

const measureTokens = fileURLToPath(
  new URL('../packages/api/src/testing/measureTokens.ts', import.meta.url),
)

export default {
  name: 'oauth',
  asks: 'What does it cost each request to know whose token it has, and what for?',
  goals: {
    'oauth-token-p50': { unit: 'ms', atMost: 0.1 },
    'oauth-token-p99': { unit: 'ms' },
    'oauth-token-unknown-p50': { unit: 'ms' },
  },
  async run() {
    const child = start(process.execPath, ['--conditions=jack:src', measureTokens, newFolder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const { known, lookUp } = JSON.parse(await firstLine(child, 1))
    await end(child)
    return [
      {
        name: 'oauth-token-p50',
        value: p50(known),
        extra: { n: known.length },
        note: 'hashed, found in memory; its end and its resource are checked',
      },
      { name: 'oauth-token-p99', value: p99(known) },
      {
        name: 'oauth-token-unknown-p50',
        value: p50(lookUp),
        extra: { n: lookUp.length },
        note: 'the first time in half a minute, or after any token was revoked: one query',
      },
    ]
  },
} satisfies Question
