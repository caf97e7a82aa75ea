/** List prices in micro-USD (1 USD = 1,000,000); runtime in nano-USD a unit. */
export const prices = {
  execution: 10_000n,
  deploy: 50_000n,
  deployIncludedRuntime: 10_000n,
  charge: { deploy: 100_000n, includedRuntime: 50_000n, ttlHours: 24 },
  runtimeNanoUsd: { request: 500n, cpuMs: 12_500n, d1RowRead: 250n, d1RowWritten: 1_000n },
  /** What a suspended app asks for where it is asked itself: it goes into its account's balance. */
  resume: 100_000n,
  suggestedDeposit: 5_000_000n,
} as const

/** CPU is counted in steps whose list price is a whole number of nano-USD. */
export const cpuStepUs = 10

/** What each kind of runtime costs at list prices, in nano-USD (1 USD = 1,000,000,000), exact. */
export const runtimeCosts = (it: {
  requests: number
  /** In whole steps. */
  cpuUs: number
  rowsRead: number
  rowsWritten: number
}) => ({
  requests: BigInt(it.requests) * prices.runtimeNanoUsd.request,
  cpu: (BigInt(it.cpuUs) * prices.runtimeNanoUsd.cpuMs) / 1_000n,
  rowsRead: BigInt(it.rowsRead) * prices.runtimeNanoUsd.d1RowRead,
  rowsWritten: BigInt(it.rowsWritten) * prices.runtimeNanoUsd.d1RowWritten,
})
