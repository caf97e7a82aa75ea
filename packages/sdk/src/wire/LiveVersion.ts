import { z } from 'zod'
import { Timestamp } from './Names.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** What every live URL answers to `/.well-known/jack`. */
export const LiveVersion = z.object({
  deployment_id: z.string(),
  digest: sha256,
  /** Of its code, its static files, and its settings, so that a difference can be named; see `versionParts`. */
  parts: z.object({ code: sha256, assets: sha256, settings: sha256 }),
  deployed_at: Timestamp,
  live: z.boolean(),
  expires_at: Timestamp.nullable(),
  limits: z.object({
    /** One stretch of CPU without a pause. */
    cpu_ms_limit: z.number(),
    memory_mb_limit: z.number(),
    request_body_bytes_limit: z.number(),
    requests_at_once_limit: z.number(),
    websockets_at_once_limit: z.number(),
  }),
})
export type LiveVersion = z.infer<typeof LiveVersion>
