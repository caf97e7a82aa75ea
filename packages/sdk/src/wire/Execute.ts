import { z } from 'zod'
import { Usd } from './Usd.ts'

/** Content of a source file: text, or bytes in base64. */
export const FileContent = z.union([z.string(), z.strictObject({ base64: z.base64() })])
export const Files = z.record(z.string().min(1).max(512), FileContent)

export const LogLine = z.object({
  level: z.enum(['debug', 'info', 'log', 'warn', 'error']),
  message: z.string(),
})

/** A program that exports `run(input)` (also async, also as default export): as `code`, or as `files` with an `entry`. */
export const ExecuteRequest = z.strictObject({
  code: z.string().min(1).optional(),
  files: Files.optional(),
  entry: z.string().max(512).optional(),
  /** Anything JSON can carry; handed to `run`. */
  input: z.unknown().optional(),
  /** Wall time after which the program is stopped, in milliseconds. */
  timeout_ms: z.number().int().min(1).max(60_000).optional(),
})
export type ExecuteRequest = z.input<typeof ExecuteRequest>

export const ExecutionLimits = z.object({
  cpu_ms_limit: z.number(),
  wall_ms_limit: z.number(),
  memory_mb_limit: z.number(),
  code_bytes_limit: z.number(),
})

/** What an execution did and cost. The answer of a failed one carries the same fields beside the problem's. */
export const ExecuteResponse = z.object({
  execution_id: z.string(),
  result: z.unknown(),
  logs: z.array(LogLine),
  /** Wall time of the program, in milliseconds. */
  duration_ms: z.number(),
  /** CPU time of the isolate, its start included, in milliseconds. */
  cpu_ms: z.number(),
  limits: ExecutionLimits,
  charged_usd: Usd,
})
export type ExecuteResponse = z.infer<typeof ExecuteResponse>
