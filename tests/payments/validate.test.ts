import { fileURLToPath } from 'node:url'
import { operations } from '@jackcloud/sdk/wire'
import { Challenge } from 'mppx'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Json, live } from '../harness.ts'
import { mppxCommand, type PaidCloud, paidCloud } from './paying.ts'

// The validator of mppx knows public networks only, so that the local chain is one of them here.
vi.setConfig({ testTimeout: 180_000 })
let paid: PaidCloud
let mppx: ReturnType<typeof mppxCommand>
let openApi: Json
beforeAll(async () => {
  paid = await paidCloud('validate', { JACK_CHAIN_ID: '42431' })
  mppx = mppxCommand(paid, await paid.newWallet(), 'validator')
  openApi = await (await live(`${paid.url}/openapi.json`)).json()
}, 120_000)
afterAll(() => paid?.close())

test('the description of the API is valid', async () => {
  const { stdout, exitCode } = await mppx(['discover', 'validate', `${paid.url}/openapi.json`])
  expect(stdout).toContain('Discovery document is valid.')
  expect(exitCode).toBe(0)
})

test('an independent validator pays for every operation, and finds nothing wrong', async () => {
  const { stdout, exitCode } = await mppx(['validate', paid.url, '--yes', '--output-json'], {
    NODE_OPTIONS: `--import=${fileURLToPath(new URL('toLocalChain.mjs', import.meta.url))}`,
    LOCAL_RPC_URL: paid.chain.rpc_url,
  })
  const { discovery, endpoints, summary } = JSON.parse(stdout)
  const checks = [
    ...discovery.checks,
    ...endpoints.flatMap((it: Json) => [...it.challenge, ...it.errorHandling, ...it.payment]),
  ]
  const paths = Object.values(operations).filter((it) => 'price' in it)
  expect(endpoints.map((it: Json) => it.path).toSorted()).toEqual(
    paths.map((it) => it.path.replaceAll(/:(\w+)/g, '{$1}')).toSorted(),
  )
  // An upload can't be tried out without a bundle: its session is opened, which has no answer to look at.
  expect(checks.filter((it) => it.severity !== 'pass').map((it) => it.label)).toEqual([
    'Response body empty -- data may be in headers only',
    'Content-Type header set',
  ])
  expect(summary).toMatchObject({ failed: 0, skipped: 0, suggested: 0 })
  expect(summary.passed).toBeGreaterThan(120)
  expect(exitCode).toBe(0)
})

test('the description asks for what the challenges ask for', async () => {
  for (const path of ['/execute', '/deploy', '/v1/balance']) {
    const { offers } = openApi.paths[path].post['x-payment-info']
    const asked = await fetch(`${paid.url}${path}`, { method: 'POST' })
    expect(asked.status).toBe(402)
    const challenges = Challenge.fromResponseList(asked)
    const stated = challenges.map(({ method, intent, request }) => {
      const { methodDetails: _, ...rest } = request as Json
      // Of a balance, the client says how much.
      return { ...rest, method, intent, amount: path === '/v1/balance' ? null : rest.amount }
    })
    expect(offers).toEqual(stated)
  }
})

test('what describes the API may be kept for five minutes, and is text', async () => {
  const llms = await fetch(`${paid.url}/llms.txt`)
  expect(llms.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  for (const path of ['/llms.txt', '/openapi.json']) {
    const { headers } = await fetch(`${paid.url}${path}`)
    expect(headers.get('cache-control')).toBe('public, max-age=300')
  }
  const text = await llms.text()
  expect(text).toContain('## Paying with a wallet')
  expect(text.split('\n').length).toBeLessThan(70)
})

test('who prefers a way to pay is offered that one', async () => {
  const ways = async (accepts: string) => {
    const headers = { 'accept-payment': accepts }
    const asked = await fetch(`${paid.url}/execute`, { method: 'POST', headers })
    return Challenge.fromResponseList(asked).map(({ intent }) => intent)
  }
  expect(await ways('tempo/charge')).toEqual(['charge'])
  expect(await ways('tempo/session;q=0.5, tempo/charge')).toEqual(['charge', 'session'])
  expect(await ways('stripe/charge')).toEqual(['session', 'charge'])
})
