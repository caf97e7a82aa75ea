import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import type { Jack } from '../Jack.ts'
import type { OperationName } from '../wire/operations.ts'

export const toolsets = ['compute', 'projects', 'account'] as const
export type Toolset = (typeof toolsets)[number]

/** What an agent can call. Scope and price are those of its operations. */
export interface Tool {
  /** verb_noun in snake_case. */
  name: string
  title: string
  toolset: Toolset
  /** The operations that it uses, the one that it stands for first. */
  operations: readonly [OperationName, ...OperationName[]]
  /** What it does, where that is more than its operation does. */
  does?: string
  /** When to use it, in one sentence. */
  when: string
  /** When not, and what to use then. */
  not: string
  input: z.ZodObject
  output: z.ZodObject
  readOnly: boolean
  destructive: boolean
  idempotent: boolean
  openWorld: boolean
  // biome-ignore lint/suspicious/noExplicitAny: what it is handed was checked against its own `input`
  run(call: ToolCall<any>): Promise<object>
}

/** A row of the table, whose `run` is handed what its `input` says. */
export const tool = <Input extends z.ZodObject>(
  row: Omit<Tool, 'input' | 'run'> & {
    input: Input
    run(call: ToolCall<z.output<Input>>): Promise<object>
  },
): Tool => row

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
  /** Adds to an answer what belongs to it, such as a receipt in `_meta`. */
  finish?(result: CallToolResult): CallToolResult
  /**
   * Makes a result of an error, or throws what the client is to get as a JSON-RPC error. Undefined: it is told like
   * any other.
   */
  failed?(error: unknown): CallToolResult | undefined
}
