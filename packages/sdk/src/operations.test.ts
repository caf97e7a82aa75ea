import { expect, test } from 'vitest'
import { createJack } from './Jack.ts'
import { tools } from './mcp/index.ts'
import { routes } from './operations.ts'
import { type Operation, operations } from './wire/operations.ts'

const every = Object.entries<Operation>(operations)

test('the client sends every operation where the contract says', () => {
  const stated = Object.entries(operations).map(([name, { method, path }]) => [
    name,
    [method, path],
  ])
  expect(routes).toEqual(Object.fromEntries(stated))
})

test('every example is a body that its operation takes', () => {
  const examples = Object.values(operations).flatMap((it) =>
    'example' in it ? [[it.body, it.example] as const] : [],
  )
  expect(examples.length).toBeGreaterThan(2)
  for (const [body, example] of examples) expect(() => body.parse(example)).not.toThrow()
})

test('every operation is a method of the client, which sends it where the contract says', async () => {
  const sent: string[] = []
  const jack = createJack({
    token: 'jkt_test',
    fetch: async (url, { method }) => {
      sent.push(`${method} ${new URL(url).pathname}`)
      return Response.json({})
    },
  })
  for (const [name, it] of every) {
    const parameters = [...it.path.matchAll(/:\w+/g)].map((_, at) => `p${at}`)
    const method = it.client.split('.').reduce<unknown>((on, key) => on?.[key as never], jack)
    expect(method, name).toBeTypeOf('function')
    await (method as (...args: unknown[]) => Promise<unknown>)(...parameters, {}, new Map())
    let at = 0
    const path = it.path.replaceAll(/:\w+/g, () => `p${at++}`)
    expect(sent.pop(), name).toBe(`${it.method} ${path}`)
  }
})

test('every operation that says when to use it has a tool, and every tool stands for one', () => {
  const chosen = every.filter(([, it]) => it.when !== undefined)
  const offered = tools.map((it) => it.operations[0])
  expect(chosen.map(([name]) => name).toSorted()).toEqual(offered.toSorted())
  for (const [name, it] of chosen) expect(it.not, name).toBeDefined()
})
