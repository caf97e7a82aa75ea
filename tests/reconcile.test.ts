import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, type Json, temporaryHome, type Up, up } from './harness.ts'

const home = temporaryHome('reconcile')
const data = join(home.path, 'cloud')
const { json, jack } = commandLine(home)
let cloud: Up
beforeAll(async () => {
  cloud = await up(home, data)
}, 120_000)
afterAll(async () => {
  if (cloud) await cloud.stop()
  await home.remove()
}, 60_000)

test('an operator compares the books of a running cloud with the chain', async () => {
  const agreed = await json(['reconcile', '--data', data])
  expect(agreed).toMatchObject({
    exitCode: 0,
    chain_id: 1337,
    since: null,
    differences: [],
    sessions: { open: 0, closing: 0, closed: 0 },
    settled_usd: '0.000000',
    income_usd: '0.000000',
  })

  // Somebody sends money past Jack.
  const { payee, rpc_url } = await chain()
  await fetch(rpc_url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tempo_fundAddress', params: [payee] }),
  })
  const { exitCode, differences, income_usd } = await json(['reconcile', '--data', data])
  expect({ exitCode, income_usd }).toEqual({ exitCode: 1, income_usd: '1000.000000' })
  expect(differences).toEqual([
    {
      what: 'income that nobody knows',
      subject: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      amount_usd: '1000.000000',
      detail: expect.stringContaining('it came from 0x'),
      advice: expect.stringContaining('--since'),
    },
  ])
  const said = await jack(['reconcile', '--data', data])
  expect(said.exitCode).toBe(1)
  expect(said.stdout).toMatch(/income that nobody knows \$1000\.00 {2}0x/)
  expect(said.stderr).toContain('1 of them differ')
  const since = new Date(Date.now() + 3_600_000).toISOString()
  expect((await jack(['reconcile', '--data', data, '--since', since])).exitCode).toBe(0)
})

test('what cannot be compared is said', async () => {
  const time = await json(['reconcile', '--data', data, '--since', 'yesterday'])
  expect(time).toMatchObject({ exitCode: 2, error: { code: 'invalid_request' } })
  const nobody = await json(['reconcile', '--data', join(home.path, 'nothing')])
  expect(nobody).toMatchObject({ exitCode: 6, error: { code: 'network' } })
})

async function chain(): Promise<Json> {
  const response = await fetch(`${cloud.ready.url}/v1/payments`)
  return ((await response.json()) as Json).chain
}
