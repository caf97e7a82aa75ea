import type { CallToolRequest, CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import type { Jack } from '../Jack.ts'
import type { Answer, Input } from '../operations.ts'
import type { OperationName } from '../wire/operations.ts'

export const toolsets = ['compute', 'projects', 'account'] as const
export type Toolset = (typeof toolsets)[number]

/** What an agent can call. When to use it, its price, scope and effect are those of its operation. */
export interface Tool {
  /** verb_noun in snake_case. */
  name: string
  title: string
  toolset: Toolset
  /** The operations that it uses, the one that it stands for first. */
  operations: readonly [OperationName, ...OperationName[]]
  /** What there is to know beyond what its operation says. */
  also?: string
  input: z.ZodObject
  /** What else it takes where folders of the machine can be deployed. */
  folderInput?: z.ZodObject
  output: z.ZodObject
  // biome-ignore lint/suspicious/noExplicitAny: what it is handed was checked against its own `input`
  run(call: ToolCall<any>): Promise<object>
}

/** A row of the table, whose `run` is handed what its `input` says. */
export const tool = <Fields extends z.ZodObject, FolderFields extends z.ZodObject = z.ZodObject>(
  row: Omit<Tool, 'input' | 'folderInput' | 'run'> & {
    input: Fields
    folderInput?: FolderFields
    run(call: ToolCall<z.output<Fields> & Partial<z.output<FolderFields>>>): Promise<object>
  },
): Tool => row

export interface ToolCall<Fields> {
  input: Fields
  jack: Jack
  host: Host
  /** Aborts when the client cancels the call. */
  signal: AbortSignal
  /** Tells the client how far it is; does nothing when it did not ask. */
  progress(message: string): void
}

/** What the place where the server runs can do for tools. */
export interface Host {
  /** Folders of this machine can be deployed: over stdio. */
  folders?: Folders | undefined
  /** What costs more than so many USD is done only when the user agrees. */
  askAboveUsd?: string | undefined
}

export interface Folders {
  /** Bundles a folder and puts it on a live URL. Throws a BundleError or a JackError. */
  deploy(path: string, settings: FolderSettings, call: FolderCall): Promise<Answer<'upload'>>
  /** Bundles a folder and says what deploying it would cost. */
  quote(path: string, name: string | undefined, call: FolderCall): Promise<Answer<'quote'>>
}

export type FolderSettings = Partial<
  Pick<Input<'upload'>, 'env' | 'budget_usd' | 'ttl_hours' | 'verify' | 'if_exists'>
> & { name?: string | undefined }

export type FolderCall = Pick<ToolCall<unknown>, 'jack' | 'signal' | 'progress'>

/** A call as it came: name, arguments and `_meta`. */
export type ToolRequest = CallToolRequest['params']

/** Who calls, as far as that is known from the request. */
export interface Caller {
  jack: Jack
  /** What can be spent yet, in USD, after something was paid. Default: the account's balance. */
  left?(): Promise<string | undefined>
  /** An error in words: code, message, hint, next. Default: those of the wire. */
  tell?(error: unknown): Record<string, unknown>
  /** Adds to an answer what belongs to it, such as a receipt in `_meta`. */
  finish?(result: CallToolResult): CallToolResult
  /**
   * Makes a result of an error, or throws what the client is to get as a JSON-RPC error. Undefined: it is told like
   * any other.
   */
  failed?(error: unknown): CallToolResult | undefined
}
