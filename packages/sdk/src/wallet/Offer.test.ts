import fc from 'fast-check'
import type { Challenge } from 'mppx'
import { expect, test } from 'vitest'
import { isFor, readOffer } from './Offer.ts'

const address = `0x${'a'.repeat(40)}`
const escrow = '0x4d50500000000000000000000000000000000000'

const challenge = (intent: string, request: object, details: object = {}) =>
  ({
    id: 'x',
    realm: 'jack.example',
    method: 'tempo',
    intent,
    request: {
      amount: '10000',
      currency: address,
      recipient: address,
      ...request,
      methodDetails: { chainId: 1337, sessionProtocol: 'v2', ...details },
    },
  }) as Challenge.Challenge

test('what a server asks for is read from its challenge', () => {
  expect(readOffer(challenge('session', { suggestedDeposit: '5000000' }))).toMatchObject({
    kind: 'session',
    priceMicroUsd: 10_000n,
    suggestedDepositMicroUsd: 5_000_000n,
    escrow,
  })
  expect(readOffer(challenge('charge', {}, { feePayer: true }))).toMatchObject({
    kind: 'charge',
    feePayer: true,
  })
  expect(readOffer(challenge('charge', { amount: '0' }))?.kind).toBe('proof')
})

test('what makes no sense, or would sign more than is bought, is no offer', () => {
  for (const [intent, request, details] of [
    ['session', { amount: '0' }],
    ['session', { amount: '-1' }],
    ['session', { amount: '1e3' }],
    ['session', { amount: 'NaN' }],
    ['session', { amount: 10_000 }],
    ['session', { amount: '9'.repeat(30) }],
    ['session', { recipient: undefined }],
    ['session', { currency: '0x1' }],
    ['session', {}, { chainId: '1337' }],
    ['session', {}, { sessionProtocol: 'v1' }],
    ['session', {}, { escrowContract: address }],
    ['session', {}, { minVoucherDelta: '10001' }],
    ['charge', { amount: '-0' }],
    ['subscription', {}],
  ] as [string, object, object?][]) {
    expect(
      readOffer(challenge(intent, request, details)),
      JSON.stringify([intent, request, details]),
    ).toBeUndefined()
  }
  const { method: _, ...other } = challenge('charge', {})
  expect(readOffer({ ...other, method: 'evm' } as Challenge.Challenge)).toBeUndefined()
})

test('whatever a challenge says, no offer costs less than nothing or asks for more than it costs', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('session', 'charge'),
      fc.object(),
      fc.object(),
      fc.anything(),
      (intent, request, details, amount) => {
        const offer = readOffer(challenge(intent, { ...request, amount }, details))
        if (!offer) return
        expect(offer.priceMicroUsd).toBeGreaterThanOrEqual(0n)
        expect(offer.leastStepMicroUsd ?? 0n).toBeLessThanOrEqual(offer.priceMicroUsd)
        expect(offer.kind === 'proof').toBe(offer.priceMicroUsd === 0n)
      },
    ),
  )
})

test('a challenge is for the host that was asked; the names of this machine are one', () => {
  for (const [host, realm] of [
    ['jack.example', 'jack.example'],
    ['JACK.example:8443', 'jack.example'],
    ['127.0.0.1:8787', 'localhost'],
    ['localhost:8787', '127.0.0.1:8787'],
    ['[::1]:8787', '::1'],
    ['api.localhost', 'localhost'],
  ] as const) {
    expect([host, realm, isFor(host, realm)]).toEqual([host, realm, true])
  }
  for (const [host, realm] of [
    ['evil.example', 'jack.example'],
    ['jack.example.evil', 'jack.example'],
    ['jack.example', 'api.jack.example'],
    ['127.0.0.1', 'jack.example'],
    ['evil.example', 'localhost'],
    ['localhost.evil', 'localhost'],
  ] as const) {
    expect([host, realm, isFor(host, realm)]).toEqual([host, realm, false])
  }
})
