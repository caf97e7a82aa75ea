import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { JackError } from '../JackError.ts'

/** What a tool answers: as data, and the same as text for clients that show no data. */
export const succeeded = (answer: object): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(answer) }],
  structuredContent: answer as Record<string, unknown>,
})

/** Why a tool did not do it, in the words of the wire: code, message, hint and next. */
export const failed = (error: unknown): CallToolResult => ({
  ...succeeded(failureOf(error)),
  isError: true,
})

function failureOf(error: unknown): Record<string, unknown> {
  if (error instanceof JackError) {
    // Its status is that of HTTP, and would be taken for the project's.
    const { status: _, ...failure } = error.toJSON()
    return failure
  }
  if (isBundleError(error)) {
    const { code, message, hint, errors } = error
    return { code, message, ...(hint !== undefined && { hint }), errors }
  }
  return { code: 'internal', message: 'Something went wrong on our side.' }
}

/** By shape, so that the bundler is loaded only by those who bundle. */
const isBundleError = (
  error: unknown,
): error is Error & { code: string; hint?: string; errors: object[] } =>
  error instanceof Error && error.name === 'BundleError' && 'errors' in error
