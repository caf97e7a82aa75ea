import { type Operation, operations } from '@jackcloud/sdk/wire'
import { afterAll, expect, test } from 'vitest'
import { testCloud } from '../testing/cloud.ts'

const cloud = await testCloud({ JACK_POOL_SIZE: '1' })
afterAll(() => cloud.close())

test('the document has every operation at its route, and nothing else', async () => {
  const { json } = await cloud.api('GET', '/openapi.json')
  const paths = Object.entries<Record<string, { operationId: string }>>(json.paths)
  const described = paths.flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, it]) => [
      it.operationId,
      `${method.toUpperCase()} ${path}`,
    ]),
  )
  const stated = Object.entries<Operation>(operations).map(([name, it]) => [
    name,
    `${it.method} ${it.path.replaceAll(/:(\w+)/g, '{$1}')}`,
  ])
  expect(Object.fromEntries(described)).toEqual(Object.fromEntries(stated))
})
