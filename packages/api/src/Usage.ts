import { runtimeCosts } from '@jackcloud/sdk/wire'
import { addHistograms, type Histogram } from './Latency.ts'

/** What an app used. Whole numbers throughout, so that parts add up to the whole exactly. */
export interface Usage {
  requests: number
  /** Requests that were answered with a 5xx, or not at all. */
  errors: number
  /** CPU in microseconds, in steps of `cpuStepUs`. */
  cpuUs: number
  rowsRead: number
  rowsWritten: number
  egressRequests: number
  egressBytes: number
  latency: Histogram
}

/** What was counted since the one before. Stored and charged once, however often it is handed over. */
export interface Batch {
  /** Which run of which server counted it, and how many batches that run had handed over with it. */
  server: string
  number: number
  at: Date
  /** By project id. */
  counted: ReadonlyMap<string, Usage>
}

export const noUsage: Usage = {
  requests: 0,
  errors: 0,
  cpuUs: 0,
  rowsRead: 0,
  rowsWritten: 0,
  egressRequests: 0,
  egressBytes: 0,
  latency: [],
}

export const addUsage = (a: Usage, b: Usage): Usage => ({
  requests: a.requests + b.requests,
  errors: a.errors + b.errors,
  cpuUs: a.cpuUs + b.cpuUs,
  rowsRead: a.rowsRead + b.rowsRead,
  rowsWritten: a.rowsWritten + b.rowsWritten,
  egressRequests: a.egressRequests + b.egressRequests,
  egressBytes: a.egressBytes + b.egressBytes,
  latency: addHistograms(a.latency, b.latency),
})

/** Cost at list prices in nano-USD, exact. Egress is counted and costs nothing. */
export const costNanoUsd = (it: Usage): bigint =>
  Object.values(runtimeCosts(it)).reduce((sum, cost) => sum + cost)
