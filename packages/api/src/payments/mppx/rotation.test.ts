import { Challenge } from 'mppx'
import { Mppx, tempo } from 'mppx/client'
import { createClient, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'
import { expect, test } from 'vitest'
import type { Hex } from '../../Session.ts'
import { escrow } from '../setup.ts'
import { createPayments } from './index.ts'

const newKey = () => privateKeyToAccount(generatePrivateKey())
const operator = newKey()
const payee = newKey().address.toLowerCase() as Hex

/** A server that knows these secrets. No chain is asked for a proof. */
const serverWith = (...secrets: [string, ...string[]]) =>
  createPayments(
    {
      chainId: tempoModerato.id,
      rpcUrl: 'http://127.0.0.1:9',
      token: '0x20c0000000000000000000000000000000000000',
      payee,
      escrow,
      operator,
      feePayer: null,
      secrets,
      suggestedDepositMicroUsd: 5_000_000n,
    },
    { now: () => new Date(), sessionOf: async () => undefined },
  )
type Server = ReturnType<typeof serverWith>

const wallet = newKey()
async function answerTo(server: Server): Promise<string> {
  const challenges = server.challenges({ scope: 'GET /v1/me', realm: 'jack', chargeMicroUsd: 0n })
  const client = createClient({ account: wallet, chain: tempoModerato, transport: http() })
  const methods = [tempo.charge({ account: wallet, getClient: () => client })]
  const headers = { 'www-authenticate': challenges[0] as string }
  return Mppx.create({ polyfill: false, methods }).createCredential(
    new Response(null, { status: 402, headers }),
  )
}

const [older, newer] = ['o'.repeat(32), 'n'.repeat(32)]

test('a secret is replaced without refusing anybody: the next one signs while both count', async () => {
  const before = serverWith(older)
  const during = serverWith(newer, older)
  const after = serverWith(newer)

  const early = await answerTo(before)
  const late = await answerTo(during)
  for (const credential of [early, late])
    expect(await during.read(credential)).toMatchObject({
      kind: 'proof',
      payer: wallet.address.toLowerCase(),
    })
  expect(await after.read(late)).toMatchObject({ kind: 'proof' })
  // Five minutes later nobody has one of these any more.
  await expect(after.read(early)).rejects.toMatchObject({
    type: 'https://paymentauth.org/problems/invalid-challenge',
  })
  await expect(before.read(late)).rejects.toThrow('not made here')
})

test('a challenge is signed by the first secret', () => {
  const [header] = serverWith(newer, older).challenges({
    scope: 's',
    realm: 'r',
    chargeMicroUsd: 1n,
  })
  const challenge = Challenge.deserialize(header as string)
  expect(Challenge.verify(challenge, { secretKey: newer })).toBe(true)
  expect(Challenge.verify(challenge, { secretKey: older })).toBe(false)
})
