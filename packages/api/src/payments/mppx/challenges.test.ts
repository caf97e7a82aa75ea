import { Challenge } from 'mppx'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { challengesOf, knownChallenge } from './challenges.ts'
import type { PaymentsConfig } from './config.ts'

const config: PaymentsConfig = {
  chainId: 1337,
  rpcUrl: 'http://127.0.0.1:1',
  token: '0x20c0000000000000000000000000000000000000',
  payee: '0x742d35cc6634c0532925a3b844bc9e7595f8fe00',
  escrow: '0x4d50500000000000000000000000000000000000',
  operator: privateKeyToAccount(`0x${'1'.repeat(64)}`),
  feePayer: null,
  secrets: ['a secret that is long enough to be one'],
  suggestedDepositMicroUsd: 5_000_000n,
}
const offer = {
  scope: 'POST /execute',
  realm: 'api.example.com',
  sessionMicroUsd: 10_000n,
  chargeMicroUsd: 10_000n,
}

test('who asks for the same in the same moment still gets a challenge of his own', () => {
  const now = new Date()
  const challenges = [1, 2, 3].flatMap(() => challengesOf(config, offer, now))
  const ids = challenges.map((it) => Challenge.deserialize(it).id)
  expect(new Set(ids).size).toBe(6)
})

test('a challenge is known again by what it is about', () => {
  const [session] = challengesOf(config, offer, new Date(1_800_000_000_000))
  const challenge = Challenge.deserialize(session as string)
  expect(knownChallenge(config, challenge)).toEqual({
    id: challenge.id,
    realm: 'api.example.com',
    intent: 'session',
    scope: 'POST /execute',
    bodySha256: null,
    amountMicroUsd: 10_000n,
    expiresAt: new Date(1_800_000_300_000),
  })
  const { opaque } = challenge
  const other = { ...challenge, opaque: `${opaque?.slice(0, -1)}A` }
  expect(knownChallenge(config, other)).toBe(null)
})
