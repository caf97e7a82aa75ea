import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { JackError } from '../JackError.ts'
import { plainJson, plainly } from './plain.ts'

/** What a tool answers: as data, and the same as text for clients that show no data. */
export const succeeded = (answer: object): CallToolResult => ({
  content: [{ type: 'text', text: plainJson(answer) }],
  structuredContent: answer as Record<string, unknown>,
})

/** Why a tool did not do it: code, message, hint, next, and what else the wire says. */
export const failed = (failure: Record<string, unknown>): CallToolResult => ({
  ...succeeded(failure),
  isError: true,
})

/** An error in words. What programs of others said in it steers no terminal. */
export function failureOf(
  error: unknown,
  tell: (error: unknown) => Record<string, unknown> = inWordsOfTheWire,
): Record<string, unknown> {
  // The status is that of HTTP, and would be taken for a project's.
  const { status: _, ...failure } = tell(error)
  return plainly(failure)
}

const inWordsOfTheWire = (error: unknown): Record<string, unknown> =>
  error instanceof JackError
    ? error.toJSON()
    : { code: 'internal', message: 'Something went wrong on our side.' }
