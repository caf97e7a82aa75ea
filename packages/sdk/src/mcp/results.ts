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

/** An error in the words of the wire. What programs of others said in it steers no terminal. */
export function failureOf(error: unknown): Record<string, unknown> {
  if (error instanceof JackError) {
    // Its status is that of HTTP, and would be taken for a project's.
    const { status: _, ...failure } = error.toJSON()
    return plainly(failure)
  }
  if (isBundleError(error)) {
    const { code, message, hint, errors } = error
    return plainly({ code, message, ...(hint !== undefined && { hint }), errors })
  }
  return { code: 'internal', message: 'Something went wrong on our side.' }
}

/** By shape, so that the bundler is loaded only by those who bundle. */
const isBundleError = (
  error: unknown,
): error is Error & { code: string; hint?: string; errors: object[] } =>
  error instanceof Error && error.name === 'BundleError' && 'errors' in error
