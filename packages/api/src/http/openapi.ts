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
      contact: { name: 'Jack', url: `${urls.api}/` },
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    'x-service-info': {
      categories: ['compute', 'hosting'],
      docs: { apiReference: `${urls.api}/openapi.json`, llms: `${urls.api}/llms.txt` },
    },
    servers: [{ url: urls.api }],
    tags: tags.map(({ name, description }) => ({ name, description })),
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
    description: pathParameters[key as string],
    schema: { type: 'string' },
    example: `my-${key}`,
  }))
  return {
    operationId: name,
    summary: it.summary,
    description: descriptionOf(it),
    tags: tagsOf(it.path),
    security: it.scope === null ? [] : [{ token: [] }, ...(payments ? [{ wallet: [] }] : [])],
    ...(it.scope !== null && { 'x-scope': it.scope }),
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
      '4XX': problem(`The request cannot be answered as it is: ${codesOf(4)}`),
      '5XX': problem(`Something failed on our side, or in what was deployed: ${codesOf(5)}`),
    },
  }
}

/** When to use it, who may, and what it costs. */
const descriptionOf = (it: Operation): string =>
  [
    it.when,
    it.not && `Not: ${it.not}`,
    it.scope === null ? 'Everybody may.' : `Needs the scope "${it.scope}".`,
    it.price === 'amount' && 'Costs what it adds.',
    it.price &&
      it.price !== 'amount' &&
      `Costs $${Number(toUsd(prices[it.price]))} when it succeeds.`,
  ]
    .filter(Boolean)
    .join(' ')

/** What operations are about, by their paths. */
const tags = [
  {
    name: 'Access',
    description: 'Who asks, and what it may do',
    paths: /^\/v1\/(me|tokens|claim|trusts|audit)\b/,
  },
  {
    name: 'Money',
    description: 'What things cost, what was paid, what is left',
    paths: /^\/(v1\/(balance|payments|sessions|receipts|usage)|\.well-known\/jack-receipts)\b/,
  },
  {
    name: 'Projects',
    description: 'What is deployed, and what belongs to it',
    paths: /^\/v1\/projects\b/,
  },
  {
    name: 'Run and deploy',
    description: 'Code in, a result or a live URL out',
    paths: /^\/(execute|deploy|v1\/quote)$/,
  },
]

const tagsOf = (path: string): string[] =>
  tags.filter((it) => it.paths.test(path)).map((it) => it.name)

const pathParameters: Record<string, string> = {
  project: 'Name or id of a project.',
  deployment: 'Id of a version.',
  database: 'Name of a database.',
  session: 'Id of a session, or of its channel.',
  token: 'Id of a token.',
  trust: 'Id of a trust.',
}

const codesOf = (hundreds: number): string =>
  Object.entries(errorCodes)
    .filter(([, { status }]) => Math.floor(status / 100) === hundreds)
    .map(([code]) => code)
    .join(', ')

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
      example: { manifest: example },
    },
  }
}

function queryParameters(query: z.ZodObject) {
  const { properties = {}, required = [] } = schema(query, 'input') as {
    properties?: Record<string, { description?: string }>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...it }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    description,
    schema: it,
  }))
}

const schema = (it: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...json } = z.toJSONSchema(it, {
    io,
    unrepresentable: 'any',
    // Of a pair, readers of OpenAPI want to be told what draft 2020-12 leaves open: its length, and "items".
    override: ({ jsonSchema }) => {
      const { prefixItems } = jsonSchema
      if (!prefixItems) return
      const { length } = prefixItems
      Object.assign(jsonSchema, { items: {}, minItems: length, maxItems: length })
    },
  })
  return json
}
