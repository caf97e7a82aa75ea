/** Defaults of an operator's configuration. Sizes in bytes, times in milliseconds, memory in MiB. */
export const limits = {
  execution: {
    cpuMs: 50,
    wallMs: 5_000,
    memoryMb: 128,
    outputBytes: 1_048_576,
    logBytes: 65_536,
  },
  hosting: {
    requestCpuMs: 5_000,
    memoryMb: 128,
    requestBodyBytes: 100 * 1_048_576,
    /** Of one project, in one gateway. */
    requestsAtOnce: 500,
    socketsAtOnce: 1_000,
    scheduledMs: 15 * 60_000,
    /** What a project keeps in namespaces, databases, objects and queues together. */
    dataBytes: 1024 * 1_048_576,
    /** Requests that an app itself makes: at once (open WebSockets too), waiting for those, in a second, after a pause. */
    egress: { connections: 64, waiting: 256, requestsPerSecond: 200, burst: 400 },
  },
  staging: { bytes: 5_000_000, files: 500, accountBytes: 20_000_000, hours: 24 },
  /** Apps that a request goes through by service bindings, and calls that a project has under way at once. */
  services: { hops: 16, callsUnderWay: 128 },
  /** Databases of a project, bytes of one statement, and of the results of one call. */
  databases: { count: 100, statementBytes: 100_000, resultBytes: 1_048_576 },
  sourceBytes: 500_000,
  bundleBytes: 10 * 1_048_576,
  assetBytes: 100 * 1_048_576,
  assetFiles: 2_000,
  requestBodyBytes: 1_048_576,
  envValueBytes: 16_384,
  envNames: 128,
} as const
