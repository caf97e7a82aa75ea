import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandLine, type Json } from '../harness.ts'
import { type PaidCloud, paidCloud } from './paying.ts'

// The chain of this cloud has the id of the public testnet, so that a server on that network can be looked at too.
vi.setConfig({ testTimeout: 300_000 })
let paid: PaidCloud
let jack: ReturnType<typeof commandLine>
beforeAll(async () => {
  paid = await paidCloud('doctor', { JACK_CHAIN_ID: '42431' })
  jack = commandLine(paid.home)
}, 120_000)
afterAll(() => paid?.close())

const statuses = ({ checks }: Json) =>
  Object.fromEntries(checks.map((it: Json) => [it.name, it.status]))

test('finds nothing wrong with a cloud that runs', async () => {
  const said = await jack.json(['doctor', '--payments', '--data', paid.cloud.ready.data])
  expect(said).toMatchObject({ ok: true, exitCode: 0 })
  expect(statuses(said)).toEqual({
    keys: 'ok',
    payee: 'ok',
    chain: 'ok',
    clock: 'ok',
    token: 'ok',
    channels: 'ok',
    operator: 'ok',
    'fee payer': 'ok',
  })
  const { stdout, exitCode } = await jack.jack([
    'doctor',
    '--payments',
    '--data',
    paid.cloud.ready.data,
  ])
  expect(stdout).toMatch(/^ok +channels +kept at 0x4d50/m)
  expect(exitCode).toBe(0)
})

test('looks at what a server would be started with, and says what is missing before there is any money', async () => {
  const nowhere = join(paid.home.path, 'nowhere')
  const ask = (env: Record<string, string>) =>
    jack.json(['doctor', '--payments', '--data', nowhere], { env })
  expect(await ask({})).toMatchObject({ ok: false, exitCode: 1, checks: [{ name: 'settings' }] })

  const wrong = await ask({ JACK_CHAIN: 'moderato', JACK_OPERATOR_KEY: '0x1234' })
  expect(wrong).toMatchObject({ ok: false, exitCode: 1 })
  expect(wrong.checks).toEqual([
    {
      name: 'settings',
      status: 'fail',
      detail: 'JACK_OPERATOR_KEY: a private key: 0x and 64 hex digits',
    },
  ])

  const key = generatePrivateKey()
  const { address } = privateKeyToAccount(key)
  const file = join(paid.home.path, 'operator.key')
  writeFileSync(file, key, { mode: 0o644 })
  const env = {
    JACK_CHAIN: 'moderato',
    JACK_RPC_URL: paid.chain.rpc_url,
    JACK_OPERATOR_KEY_FILE: file,
    JACK_PAYEE: address,
  }
  expect(statuses(await ask(env))).toEqual({
    settings: 'ok',
    files: 'warn',
    keys: 'fail',
    payee: 'fail',
    chain: 'ok',
    clock: 'ok',
    token: 'ok',
    channels: 'ok',
    operator: 'fail',
    'fee payer': 'ok',
  })

  await paid.give(address, 5_000_000n)
  const cold = privateKeyToAccount(generatePrivateKey()).address
  const whole = await ask({ ...env, JACK_PAYEE: cold, JACK_MPP_SECRET: 's'.repeat(32) })
  expect(statuses(whole)).toMatchObject({ keys: 'ok', payee: 'ok', operator: 'ok' })
  expect(whole).toMatchObject({ ok: true, exitCode: 0 })
  expect(JSON.stringify(whole)).not.toContain(key.slice(2))

  const mainnet = await ask({ ...env, JACK_CHAIN: 'mainnet' })
  expect(statuses(mainnet)).toMatchObject({ chain: 'fail' })
})
