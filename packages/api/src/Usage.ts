import { prices } from '@jackcloud/sdk/wire'

/** What an app used: whole requests and errors, CPU in milliseconds. */
export interface Usage {
  requests: number
  errors: number
  cpuMs: number
}

export const noUsage: Usage = { requests: 0, errors: 0, cpuMs: 0 }

export const addUsage = (a: Usage, b: Usage): Usage => ({
  requests: a.requests + b.requests,
  errors: a.errors + b.errors,
  cpuMs: a.cpuMs + b.cpuMs,
})

/** Cost at list prices in nano-USD (1 USD = 1,000,000,000), rounded down. */
export const costNanoUsd = ({ requests, cpuMs }: Usage): bigint =>
  BigInt(requests) * prices.runtimeNanoUsd.request +
  (BigInt(Math.floor(cpuMs * 1_000)) * prices.runtimeNanoUsd.cpuMs) / 1_000n
