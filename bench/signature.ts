import { fileURLToPath } from 'node:url'
import { p50, p99 } from './harness/measure.ts'
import { end, firstLine, start } from './harness/processes.ts'
import type { Question } from './harness/Question.ts'

const measureSignature = fileURLToPath(
  new URL('../packages/api/src/testing/measureSignature.ts', import.meta.url),
)

export default {
  name: 'signature',
  asks: 'What does paying cost the server, before it does what was paid for?',
  goals: {
    'voucher-check-p50': { unit: 'ms' },
    'voucher-check-p99': { unit: 'ms' },
    'voucher-p50': { unit: 'ms', atMost: 0.4 },
    'voucher-p99': { unit: 'ms' },
    'challenge-p50': { unit: 'ms', atMost: 0.3 },
  },
  async run() {
    const child = start(process.execPath, ['--conditions=jack:src', measureSignature], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const samples = JSON.parse(await firstLine(child, 1))
    const { check, checkOfMppx, voucher, voucherOfMppx, challenge } = samples
    await end(child)
    const n = check.length
    return [
      {
        name: 'voucher-check-p50',
        value: p50(check),
        beside: { mppx: p50(checkOfMppx) },
        extra: { n },
        note: 'digest, recovery of the signer, comparison; mppx does its own twice for each call',
      },
      { name: 'voucher-check-p99', value: p99(check), beside: { mppx: p99(checkOfMppx) } },
      {
        name: 'voucher-p50',
        value: p50(voucher),
        beside: { mppx: p50(voucherOfMppx) },
        extra: { n },
        note: 'the same, with the header parsed and the secret of the challenge verified',
      },
      { name: 'voucher-p99', value: p99(voucher), beside: { mppx: p99(voucherOfMppx) } },
      {
        name: 'challenge-p50',
        value: p50(challenge),
        extra: { n, p99: p99(challenge) },
        note: 'made, signed and written as a header',
      },
    ]
  },
} satisfies Question
