import type { z } from 'zod'
import type { Jack } from '../Jack.ts'
import type { OperationName } from '../wire/operations.ts'

export const toolsets = ['compute', 'projects', 'account'] as const
export type Toolset = (typeof toolsets)[number]

/** What an agent can call. Scope and price are those of its operations. */
export interface Tool<Input extends z.ZodObject = z.ZodObject> {
  /** verb_noun in snake_case. */
  name: string
  title: string
  toolset: Toolset
  /** The operations that it uses, the one that it stands for first. */
  operations: readonly [OperationName, ...OperationName[]]
  /** When to use it, in one sentence. */
  when: string
  /** When not, and what to use then. */
  not: string
  input: Input
  output: z.ZodObject
  readOnly: boolean
  destructive: boolean
  idempotent: boolean
  openWorld: boolean
  run(call: ToolCall<z.output<Input>>): Promise<object>
}

export interface ToolCall<Input> {
  input: Input
  jack: Jack
  host: Host
  /** Aborts when the client cancels the call. */
  signal: AbortSignal
  /** Tells the client how far it is; does nothing when it did not ask. */
  progress(message: string): void
}

/** What the place where the server runs can do for tools. */
export interface Host {
  /** Whether folders of this machine can be deployed: over stdio. */
  folders: boolean
}

/** Who calls, as far as that is known from the call's `_meta`. */
export interface Caller {
  jack: Jack
}
