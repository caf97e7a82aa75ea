import { z } from 'zod'
import { EnvName, ProjectName } from './Names.ts'

/** A name for something that a project keeps: a namespace, a database, a queue. */
export const ResourceName = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/,
    'letters, digits, "-" and "_", at most 63 characters, such as "main"',
  )

const ClassName = z
  .string()
  .regex(/^[\p{ID_Start}$_][\p{ID_Continue}$]{0,127}$/u, 'the name of an exported class')

/** What a program finds in its `env` beside variables. `name` is the key there. Created on first use. */
export const Binding = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('kv'), name: EnvName, namespace: ResourceName }),
  z.strictObject({ type: z.literal('d1'), name: EnvName, database: ResourceName }),
  z.strictObject({ type: z.literal('durable_object'), name: EnvName, class_name: ClassName }),
  z.strictObject({ type: z.literal('queue'), name: EnvName, queue: ResourceName }),
  /** Another project of the same account, by its name; requests go to what is live there. */
  z.strictObject({ type: z.literal('service'), name: EnvName, service: ProjectName }),
])
export type Binding = z.infer<typeof Binding>

/** How a program's `queue` handler gets the messages of a queue. Times in seconds. */
export const QueueConsumer = z.strictObject({
  queue: ResourceName,
  max_batch_size: z.number().int().min(1).max(100).optional(),
  max_batch_timeout: z.number().min(0).max(60).optional(),
  max_retries: z.number().int().min(0).max(100).optional(),
  retry_delay: z.number().int().min(0).max(43_200).optional(),
  max_concurrency: z.number().int().min(1).max(100).optional(),
  dead_letter_queue: ResourceName.optional(),
})
export type QueueConsumer = z.infer<typeof QueueConsumer>

/** Five fields, in UTC, as in crontab; also `@hourly` and the like are refused, as Workers refuse them. */
export const Cron = z
  .string()
  .max(100)
  .regex(/^\S+ \S+ \S+ \S+ \S+$/, 'five fields, such as "*/5 * * * *"')

/**
 * A host that a program may reach: a name, `*.` and a name for everything below it, or an address; with a port when it
 * is not the usual one.
 */
export const EgressHost = z
  .string()
  .max(260)
  .regex(
    /^(?:\*\.)?[a-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-f:.]+\](?::\d{1,5})?$/,
    'a host such as "api.example.com" or "*.example.com"',
  )

/** What a version needs around its code. */
export const capabilities = {
  bindings: z
    .array(Binding)
    .max(64)
    .refine((all) => new Set(all.map((it) => it.name)).size === all.length, 'two have one name')
    .default([]),
  crons: z.array(Cron).max(20).default([]),
  queue_consumers: z.array(QueueConsumer).max(20).default([]),
  /** The only hosts that the program may reach. Without a list: every public one; with an empty one: none. */
  egress: z.array(EgressHost).max(100).optional(),
}
