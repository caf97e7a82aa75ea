import { z } from 'zod'

/**
 * The JSON Schema (2020-12) of what a tool takes. The texts of the schemas are for agents: `describe` is all they
 * need to know.
 */
export const inputSchema = (it: z.ZodObject) => schemaOf(it, 'input')

/**
 * The JSON Schema of a tool's `structuredContent`: what it answers, or why it failed. Clients hold errors against it
 * too, so it must admit both; with one set of properties, it costs nearly nothing.
 */
export function outputSchema(it: z.ZodObject) {
  const { required = [], ...rest } = schemaOf(it, 'output')
  return { ...rest, anyOf: [{ required }, { required: ['code', 'message'] }] }
}

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
    override: ({ jsonSchema }) => {
      // Of a time, `format` says it; and an answer need not be checked to the letter.
      if (jsonSchema.format || io === 'output') delete jsonSchema.pattern
      if (io === 'output') delete jsonSchema.additionalProperties
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  return schema as ObjectSchema
}
