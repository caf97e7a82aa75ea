import { errorCodes, type Operation, operations, Problem, prices, toUsd } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { z } from 'zod'
import type { Jack } from '../jack.ts'
import type { Payments } from '../payments/Payments.ts'
import type { Door } from './Door.ts'
import { listPrice } from './pay.ts'

export function openApiDoor(app: Hono<Door>, jack: Jack): void {
  const document = JSON.stringify(openApi(jack))
  app.get('/openapi.json', (c) =>
    c.body(document, 200, {
      'content-type': 'application/json',
      'cache-control': cacheControl,
      link: links,
    }),
  )
}

/** Of what describes the API: it changes with the version. */
export const cacheControl = 'public, max-age=300'

/** For whoever came to one of the descriptions: the way to the rest (RFC 8288, RFC 8631, RFC 9727). */
export const links = [
  '</.well-known/api-catalog>; rel="api-catalog"',
  '</openapi.json>; rel="service-desc"; type="application/json"',
  '</llms.txt>; rel="service-doc"; type="text/plain"',
].join(', ')

/** The OpenAPI 3.1 description of the API, made of the operations themselves. */
function openApi({ urls, payments }: Jack) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [name, operation] of Object.entries(operations)) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][operation.method.toLowerCase()] = describe(name, operation, payments)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Jack',
      version: '1',
      description: 'Run code in a fresh isolate, and put it on a live URL.',
    },
    'x-service-info': {
      categories: ['compute', 'hosting'],
      docs: { apiReference: `${urls.api}/openapi.json`, llms: `${urls.api}/llms.txt` },
    },
    servers: [{ url: urls.api }],
    paths,
    components: {
      schemas: { Problem: schema(Problem, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'jkt_...' },
        ...(payments && {
          wallet: {
            type: 'http',
            scheme: 'payment',
            description:
              'The answer of a wallet to a challenge in WWW-Authenticate (https://mpp.dev). What costs nothing is ' +
              'challenged when Accept-Payment is sent, and answered with a proof that costs nothing.',
          },
        }),
      },
    },
  }
}

function describe(name: string, it: Operation, payments: Payments | null) {
  const params = [...it.path.matchAll(/:(\w+)/g)].map(([, key]) => ({
    name: key,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    example: `my-${key}`,
  }))
  return {
    operationId: name,
    summary: it.summary,
    ...(it.when && {
      description: [it.when, it.not && `Not: ${it.not}`].filter(Boolean).join(' '),
    }),
    ...(it.scope !== null && {
      security: [{ token: [] }, ...(payments ? [{ wallet: [] }] : [])],
      'x-scope': it.scope,
    }),
    ...(it.price && it.price !== 'amount' && { 'x-price-usd': toUsd(prices[it.price]) }),
    ...(it.price &&
      payments && { 'x-payment-info': { offers: payments.priceTags(listPrice(it.price)) } }),
    parameters: [...params, ...(it.query ? queryParameters(it.query) : [])],
    ...(it.body && { requestBody: { required: true, content: content(it) } }),
    responses: {
      [it.success ?? 200]: {
        description: 'Done',
        content: it.media
          ? { [it.media]: { schema: { type: 'string', format: 'binary' } } }
          : { 'application/json': { schema: schema(it.response, 'output') } },
      },
      ...(it.price && {
        402: problem('To be paid for: WWW-Authenticate has a challenge for each way to pay'),
      }),
      default: problem(`A problem; its code is one of ${Object.keys(errorCodes).join(', ')}`),
    },
  }
}

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
})

function content(it: Operation) {
  const body = schema(it.body as z.ZodType, 'input')
  const { example } = it
  if (!it.multipart) return { 'application/json': { schema: body, ...(example && { example }) } }
  return {
    'multipart/form-data': {
      schema: {
        type: 'object',
        required: ['manifest'],
        properties: { manifest: body },
        additionalProperties: { type: 'string', format: 'binary' },
      },
    },
  }
}

function queryParameters(query: z.ZodObject) {
  const { properties = {}, required = [] } = schema(query, 'input') as {
    properties?: Record<string, object>
    required?: string[]
  }
  return Object.entries(properties).map(([name, it]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema: it,
  }))
}

const schema = (it: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...json } = z.toJSONSchema(it, { io, unrepresentable: 'any' })
  return json
}
