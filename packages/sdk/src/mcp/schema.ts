import { z } from 'zod'

/** What tools take that names a project. */
export const projectField = z.string().min(1).max(60).describe('Name or id')

/** What lists take: how much of the answer is worth reading. */
export const budgetFields = {
  max_tokens: z.number().int().min(200).max(20_000).default(2_000).describe('Longest answer'),
  cursor: z.string().max(1_000).optional().describe('next_cursor of the answer before'),
}

/** The JSON Schema (2020-12) of what a tool takes. */
export const inputSchema = (it: z.ZodObject) => schemaOf(it, 'input')

/**
 * The JSON Schema of a tool's `structuredContent`: what it answers, or why it failed. Clients hold errors against it
 * too, so it admits both.
 */
export function outputSchema(it: z.ZodObject) {
  const { required = [], ...rest } = schemaOf(it, 'output')
  return { ...rest, anyOf: [{ required }, { required: ['code', 'message'] }] }
}

/** Agents pay for every word: they need to know what to send and what comes, not how it is checked. */
const unsaid = {
  input: ['propertyNames', 'minLength', 'maxLength', 'format'],
  output: ['propertyNames', 'minLength', 'maxLength', 'format', 'pattern', 'additionalProperties'],
} as const

type ObjectSchema = {
  type: 'object'
  properties?: Record<string, object>
  required?: string[]
  [key: string]: unknown
}

function schemaOf(it: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(it, {
    io,
    unrepresentable: 'any',
    override({ jsonSchema, path }) {
      for (const keyword of unsaid[io]) delete jsonSchema[keyword]
      // Base64 says itself what it looks like.
      if (jsonSchema.contentEncoding) delete jsonSchema.pattern
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (io === 'output' && path.length > 0) delete jsonSchema.required
      if (Object.keys(jsonSchema.properties ?? {}).length === 0) delete jsonSchema.properties
    },
  })
  return schema as ObjectSchema
}
