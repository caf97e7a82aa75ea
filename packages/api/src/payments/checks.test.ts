import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Check, checkPayments, clock } from './checks.ts'
import { newWallet, testChain } from './localnet/testing.ts'
import { escrow, type Setup } from './setup.ts'

const chain = testChain()
const now = () => new Date()

async function goodSetup(): Promise<Setup> {
  const { chainId, rpcUrl, token } = await chain()
  const address = async (microUsd: bigint) =>
    (await newWallet(await chain(), microUsd)).address.toLowerCase() as `0x${string}`
  return {
    chainId,
    rpcUrl,
    token,
    escrow,
    payee: await address(0n),
    operator: await address(5_000_000n),
    feePayer: await address(50_000_000n),
    missing: [],
  }
}

/** What is wrong with a setup that is good but for this. */
async function wrongWith(change: Partial<Setup>, at = now): Promise<Partial<Check>[]> {
  const checks = await checkPayments({ ...(await goodSetup()), ...change }, at)
  return checks.filter((it) => it.status !== 'ok').map(({ name, status }) => ({ name, status }))
}

test('a setup with everything in it is in order', async () => {
  const checks = await checkPayments(await goodSetup(), now)
  expect(checks.map((it) => [it.name, it.status])).toEqual(
    ['keys', 'payee', 'chain', 'clock', 'token', 'channels', 'operator', 'fee payer'].map((it) => [
      it,
      'ok',
    ]),
  )
  expect(await wrongWith({ feePayer: null })).toEqual([])
})

test('keys that are missing, and a payee that is a key of the server, are told', async () => {
  const { operator, feePayer } = await goodSetup()
  const missing = ['JACK_OPERATOR_KEY']
  expect(await wrongWith({ operator: null, missing })).toEqual([{ name: 'keys', status: 'fail' }])
  for (const payee of [operator, feePayer, `0x${'0'.repeat(40)}`, `0x20c0${'0'.repeat(36)}`, null])
    expect(
      await wrongWith({ operator, feePayer, payee: payee as `0x${string}` }),
      `${payee}`,
    ).toEqual([{ name: 'payee', status: 'fail' }])
})

test('a chain that is another one, or does not answer, is told once', async () => {
  expect(await wrongWith({ chainId: 4_217 })).toEqual([{ name: 'chain', status: 'fail' }])
  expect(await wrongWith({ rpcUrl: 'http://127.0.0.1:9' })).toEqual([
    { name: 'chain', status: 'fail' },
  ])
})

test('a token that is none or has other decimals, and a chain without channels, are told', async () => {
  const { rpc } = await chain()
  const strange = '0x00000000000000000000000000000000000000d8'
  // Answers 18 to everything.
  await rpc('anvil_setCode', strange, '0x601260005260206000f3')
  const { detail } = (await checkPayments({ ...(await goodSetup()), token: strange }, now)).find(
    (it) => it.name === 'token',
  ) as Check
  expect(detail).toContain('18 decimals')
  const nobody = '0x00000000000000000000000000000000000000ee'
  expect(await wrongWith({ escrow: nobody })).toEqual([{ name: 'channels', status: 'fail' }])
})

test('an operator or fee payer that runs out of gas money is told in time', async () => {
  const poor = async (microUsd: bigint) => (await newWallet(await chain(), microUsd)).address
  expect(await wrongWith({ operator: await poor(0n) })).toEqual([
    { name: 'operator', status: 'fail' },
  ])
  expect(await wrongWith({ operator: await poor(500_000n) })).toEqual([
    { name: 'operator', status: 'warn' },
  ])
  expect(await wrongWith({ feePayer: await poor(50_000n) })).toEqual([
    { name: 'fee payer', status: 'fail' },
  ])
})

test('a clock more than ten seconds from that of the chain is wrong, whichever is ahead', async () => {
  for (const ms of [30_000, -30_000])
    expect(await wrongWith({}, () => new Date(Date.now() + ms))).toEqual([
      { name: 'clock', status: 'fail' },
    ])
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), (skew) => {
      const { status } = clock(1_800_000_000_000, 1_800_000_000_000 + skew)
      expect(status).toBe(Math.abs(skew) <= 10_000 ? 'ok' : 'fail')
    }),
  )
})
