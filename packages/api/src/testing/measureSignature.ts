/**
 * A process that measures what a payment costs the server before its handler: our check of a voucher and that of mppx in
 * turns, alone and with everything that is parsed around it, and making a challenge. Prints one line of JSON: milliseconds.
 */
import { randomBytes } from 'node:crypto'
import { Challenge, Credential } from 'mppx'
import { Session } from 'mppx/tempo'
import { Address, Secp256k1, Signature } from 'ox'
import { Channel } from 'ox/tempo'
import { voucherDigest, voucherSignedBy } from '../payments/signature.ts'
import type { Hex } from '../Session.ts'

const rounds = 100
/** In one turn, so that neither always finds the caches as the other left them. */
const perTurn = 10
const secretKey = 'a secret that is long enough for a server'
const hex = (size: number): Hex => `0x${randomBytes(size).toString('hex')}`

const chainId = 42_431
const escrow = Channel.address
const privateKey = Secp256k1.randomPrivateKey()
const payer = Address.fromPublicKey(Secp256k1.getPublicKey({ privateKey }))
const channelId = hex(32)
const voucher = { channelId, cumulativeMicroUsd: 10_000n, chainId, escrow }
const payload: Hex = `0x${voucherDigest(voucher).toString('hex')}`
const signature = Signature.toHex(Secp256k1.sign({ payload, privateKey }))
const header = Credential.serialize({
  challenge: challenge(),
  source: `did:pkh:eip155:${chainId}:${payer}`,
  payload: {
    action: 'voucher',
    channelId,
    cumulativeAmount: '10000',
    signature,
    descriptor: {
      payer,
      payee: hex(20),
      operator: hex(20),
      token: hex(20),
      salt: hex(32),
      authorizedSigner: hex(20),
      expiringNonceHash: hex(32),
    },
  },
})

type Check = (signature: string) => boolean
const ours: Check = (it) => voucherSignedBy(voucher, it, payer)
const theirs: Check = (it) =>
  Session.Precompile.Voucher.verifyVoucher(
    escrow,
    chainId,
    { channelId, cumulativeAmount: voucher.cumulativeMicroUsd, signature: it as Hex },
    payer,
  )

const samples = {
  check: timesOf(() => ours(signature)),
  checkOfMppx: timesOf(() => theirs(signature)),
  voucher: timesOf(() => accepted(ours)),
  voucherOfMppx: timesOf(() => accepted(theirs)),
  challenge: timesOf(() => Challenge.serialize(challenge()).length > 0),
}
for (let round = 0; round < rounds; round++) {
  for (const { next } of Object.values(samples)) for (let i = 0; i < perTurn; i++) next()
}
process.stdout.write(
  `${JSON.stringify(Object.fromEntries(Object.entries(samples).map(([name, it]) => [name, it.ms.slice((rounds * perTurn) / 10)])))}\n`,
)

/** As a door of the API would make it for a session. */
function challenge() {
  return Challenge.from({
    secretKey,
    realm: 'api.example.com',
    method: 'tempo',
    intent: 'session',
    description: 'One execution',
    expires: new Date(Date.now() + 300_000).toISOString(),
    meta: { scope: 'POST /v1/execute' },
    request: {
      amount: '10000',
      currency: '0x20c0000000000000000000000000000000000000',
      recipient: '0x742d35Cc6634C0532925a3b844Bc9e7595f8fE00',
      unitType: 'execution',
      suggestedDeposit: '5000000',
      methodDetails: { chainId, escrowContract: escrow, sessionProtocol: 'v2' },
    },
  })
}

/** Reads a header, holds its challenge against the secret and checks the voucher in it. */
function accepted(check: Check): boolean {
  const credential = Credential.deserialize<{ signature: string }>(header)
  return (
    Challenge.verify(credential.challenge, { secretKey }) && check(credential.payload.signature)
  )
}

function timesOf(work: () => boolean) {
  const ms: number[] = []
  const next = () => {
    const began = performance.now()
    if (!work()) throw new Error('It does not hold.')
    ms.push(performance.now() - began)
  }
  return { ms, next }
}
