import { expect, test } from 'vitest'
import { withMaxSpend } from './maxSpend.ts'

const sent: string[] = []
const send = async (input: string) => {
  sent.push(new URL(input).pathname)
  return new Response()
}
const within = (most: string) => (method: string, path: string, body?: object) =>
  withMaxSpend(send, most)(`https://jack.example/base${path}`, {
    method,
    ...(body && { body: JSON.stringify(body) }),
  })

test('what costs more than that is not sent, and everything else is', async () => {
  const refused = expect.objectContaining({ code: 'spending_limit' })
  const upload = '/v1/projects/deploy/deployments/upload'
  const a = within('0.049999')
  for (const path of ['/deploy', upload]) await expect(a('POST', path)).rejects.toEqual(refused)
  await expect(a('POST', '/v1/balance', { amount_usd: '0.05' })).rejects.toEqual(refused)
  await expect(within('0')('POST', '/execute')).rejects.toEqual(refused)
  expect(sent).toEqual([])

  await a('POST', '/execute')
  await a('POST', '/v1/balance', { amount_usd: '0.049999' })
  await a('GET', '/v1/projects/deploy')
  await within('0')('POST', '/v1/projects/deploy/rollback')
  await within('$0.05')('POST', upload)
  expect(sent).toHaveLength(5)
})

test('an amount that is none is refused at once', () => {
  expect(() => withMaxSpend(send, 'much')).toThrow('"much" is not an amount in USD.')
})
