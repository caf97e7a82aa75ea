import fc from 'fast-check'
import { Proof, Session } from 'mppx/tempo'
import { Address, Base64, Hash, Hex, P256, Secp256k1, Signature } from 'ox'
import { Channel, SignatureEnvelope } from 'ox/tempo'
import { encodeFunctionData, hashTypedData, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Hex as HexText } from '../Session.ts'
import { keccak } from './keccak.ts'
import { type Anvil, RpcError, startAnvil } from './localnet/anvil.ts'
import { passkeyFits } from './passkey.ts'
import {
  proofDigest,
  proofSignedBy,
  signedBy,
  type VoucherTerms,
  voucherDigest,
  voucherSignedBy,
} from './signature.ts'

const { verifyVoucher, voucherTypes, getVoucherDomain } = Session.Precompile.Voucher
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

const bytes = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((it) => Hex.fromBytes(it))
const keys = fc.bigInt(1n, order - 1n).map((it) => Hex.fromNumber(it, { size: 32 }))
const addresses = bytes(20).map((it) => Address.checksum(it))
const chainIds = fc.integer({ min: 1, max: 2 ** 31 })
const vouchers: fc.Arbitrary<VoucherTerms> = fc.record({
  channelId: bytes(32),
  cumulativeMicroUsd: fc.bigInt(0n, (1n << 96n) - 1n),
  chainId: chainIds,
  escrow: fc.oneof(fc.constant(Channel.address), addresses),
})

const addressOfKey = (privateKey: HexText) =>
  Address.fromPublicKey(Secp256k1.getPublicKey({ privateKey }))
const hex = (it: Uint8Array) => Hex.fromBytes(it)
const mppxSays = (it: VoucherTerms, signature: string, signer: HexText) =>
  verifyVoucher(
    it.escrow,
    it.chainId,
    {
      channelId: it.channelId,
      cumulativeAmount: it.cumulativeMicroUsd,
      signature: signature as HexText,
    },
    signer,
  )

let anvil: Anvil
beforeAll(async () => {
  anvil = await startAnvil({ chainId: 1_337 })
})
afterAll(() => anvil.stop())

/** What the chain's own verifier says (TIP-1020), which channels ask before they pay. */
async function chainSays(digest: Uint8Array, signature: string, signer: HexText): Promise<boolean> {
  const data = encodeFunctionData({
    abi: parseAbi(['function verify(address, bytes32, bytes) returns (bool)']),
    args: [signer, hex(digest), signature as HexText],
  })
  const to = '0x5165300000000000000000000000000000000000'
  try {
    return BigInt(await anvil.rpc<HexText>('eth_call', { to, data }, 'latest')) === 1n
  } catch (error) {
    if (error instanceof RpcError && error.message.includes('revert')) return false
    throw error
  }
}

test('the hash is that of Ethereum, whichever way it is computed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (it) => {
      expect(hex(keccak(it))).toBe(hex(Hash.keccak256(it)))
    }),
  )
})

test('the digest of a voucher is what wallets sign', () => {
  fc.assert(
    fc.property(vouchers, (it) => {
      const { channelId, chainId, cumulativeMicroUsd: cumulativeAmount } = it
      expect(hex(voucherDigest(it))).toBe(
        hashTypedData({
          domain: getVoucherDomain(it.escrow, chainId),
          types: voucherTypes,
          primaryType: 'Voucher',
          message: { channelId, cumulativeAmount },
        }),
      )
      expect(hex(voucherDigest({ ...it, escrow: Channel.address }))).toBe(
        Channel.getVoucherSignPayload({ chainId, channelId, cumulativeAmount }),
      )
    }),
  )
})

test('the digest of a proof is what wallets sign', () => {
  const proofs = fc.record({
    account: addresses,
    challengeId: fc.string({ unit: 'binary' }),
    realm: fc.string({ unit: 'grapheme' }),
    chainId: chainIds,
  })
  fc.assert(
    fc.property(proofs, (it) => {
      expect(hex(proofDigest(it))).toBe(Proof.hash(it))
    }),
  )
})

test('fields of other types have no digest, and no signature fits them', () => {
  const voucher = fc.sample(vouchers, 1)[0] as VoucherTerms
  const wrong: VoucherTerms[] = [
    { ...voucher, channelId: '0x12' },
    { ...voucher, channelId: `0x${'g'.repeat(64)}` },
    { ...voucher, escrow: '0x4d50' },
    { ...voucher, cumulativeMicroUsd: -1n },
    { ...voucher, cumulativeMicroUsd: 1n << 96n },
  ]
  const signature = `0x${'1'.repeat(128)}1b` as const
  for (const it of wrong) {
    expect(() => voucherDigest(it)).toThrow(RangeError)
    expect(voucherSignedBy(it, signature, voucher.escrow)).toBe(false)
  }
  const proof = { account: '0x12', challengeId: 'a', realm: 'b', chainId: 1 } as const
  expect(() => proofDigest(proof)).toThrow(RangeError)
  expect(proofSignedBy(proof, signature)).toBe(false)
})

/** What somebody could do to a signature on its way. */
const changes: fc.Arbitrary<(signature: HexText) => string> = fc.oneof(
  fc.constant((it: HexText) => it),
  fc.constant((it: HexText) => `0x${it.slice(2).toUpperCase()}`),
  fc.constant((it: HexText) => it.toUpperCase()),
  fc.constant((it: HexText) => it.slice(2)),
  fc.constant((it: HexText) => ` ${it}`),
  fc.constant((it: HexText) => `${it}\n`),
  fc.constant((it: HexText) => `${it}${'77'.repeat(32)}`),
  // Another bit.
  fc.nat(519).map((bit) => (it: HexText) => {
    const changed = Hex.toBytes(it)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    return hex(changed)
  }),
  // Another v.
  fc
    .constantFrom(0, 1, 2, 3, 26, 27, 28, 29, 30, 35, 36, 37, 38, 255)
    .map((v) => (it: HexText) => `${it.slice(0, 130)}${v.toString(16).padStart(2, '0')}`),
  // Shorter, longer.
  fc.nat(132).map((length) => (it: HexText) => it.slice(0, length)),
  fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 70 }).chain(bytes)).map(
    ([front, more]) =>
      (it: HexText) =>
        front ? `${more}${it.slice(2)}` : `${it}${more.slice(2)}`,
  ),
  // Numbers that are none of the curve's.
  fc
    .tuple(
      fc.constantFrom('r', 's'),
      fc.constantFrom(0n, 1n, order - 1n, order, order + 1n, 2n ** 256n - 1n),
    )
    .map(([which, value]) => (it: HexText) => {
      const number = Hex.fromNumber(value, { size: 32 }).slice(2)
      return which === 'r'
        ? `0x${number}${it.slice(66)}`
        : `${it.slice(0, 66)}${number}${it.slice(130)}`
    }),
  // Keys that act for a wallet.
  fc.tuple(fc.constantFrom('03', '04'), bytes(20)).map(
    ([type, user]) =>
      (it: HexText) =>
        `0x${type}${user.slice(2)}${it.slice(2)}`,
  ),
)

/** The other s of the two that fit. */
const twins = fc.boolean().map((flip) => (it: HexText): string => {
  const { r, s, yParity } = Signature.fromHex(it)
  return Signature.toHex({ r, s: order - s, yParity: flip ? 1 - (yParity as number) : yParity })
})

const isHigh = (signature: string) =>
  signature.length === 132 && BigInt(`0x${signature.slice(66, 130)}`) > order / 2n

test('whatever happens to a signature, mppx agrees, but for an s that the chain refuses', () => {
  let taken = 0
  fc.assert(
    fc.property(
      vouchers,
      keys,
      fc.oneof({ weight: 15, arbitrary: changes }, twins),
      fc.boolean(),
      (it, privateKey, change, lower) => {
        const signer = addressOfKey(privateKey)
        const payload = hex(voucherDigest(it))
        const signature = change(Signature.toHex(Secp256k1.sign({ payload, privateKey })))
        const asked = lower ? (signer.toLowerCase() as HexText) : signer
        const expected = mppxSays(it, signature, asked) && !isHigh(signature)
        expect(voucherSignedBy(it, signature, asked)).toBe(expected)
        expect(signedBy({ digest: voucherDigest(it), signature, signer: asked })).toBe(expected)
        if (expected) taken++
      },
    ),
    { numRuns: 400 },
  )
  expect(taken).toBeGreaterThan(20)
})

test('a signature holds for its voucher and its signer alone', () => {
  fc.assert(
    fc.property(vouchers, vouchers, keys, addresses, (it, other, privateKey, nobody) => {
      const signer = addressOfKey(privateKey)
      const payload = hex(voucherDigest(it))
      const signature = Signature.toHex(Secp256k1.sign({ payload, privateKey }))
      expect(voucherSignedBy(it, signature, signer)).toBe(true)
      expect(voucherSignedBy(it, signature, nobody)).toBe(false)
      for (const name of ['channelId', 'cumulativeMicroUsd', 'chainId', 'escrow'] as const) {
        if (it[name] === other[name]) continue
        expect(voucherSignedBy({ ...it, [name]: other[name] }, signature, signer)).toBe(false)
      }
    }),
  )
})

test('the twin of a signature, with the other s, is not taken, as on chain, although mppx takes it', async () => {
  const [it, privateKey] = fc.sample(fc.tuple(vouchers, keys), 1)[0] as [VoucherTerms, HexText]
  const signer = addressOfKey(privateKey)
  const { r, s, yParity } = Secp256k1.sign({ payload: hex(voucherDigest(it)), privateKey })
  const twin = Signature.toHex({ r, s: order - s, yParity: 1 - yParity })
  expect(mppxSays(it, twin, signer)).toBe(true)
  expect(await chainSays(voucherDigest(it), twin, signer)).toBe(false)
  expect(voucherSignedBy(it, twin, signer)).toBe(false)
})

test('a proof holds for its wallet, its challenge, its realm and its chain alone', () => {
  const account = addressOfKey(`0x${'1'.repeat(64)}`)
  const proof = { account, challengeId: 'abc', realm: 'api.example.com', chainId: 42_431 }
  const sign = (payload: HexText) =>
    Signature.toHex(Secp256k1.sign({ payload, privateKey: `0x${'1'.repeat(64)}` }))
  const signature = sign(Proof.hash(proof))
  expect(proofSignedBy(proof, signature)).toBe(true)
  expect(proofSignedBy({ ...proof, challengeId: 'abd' }, signature)).toBe(false)
  expect(proofSignedBy({ ...proof, realm: 'api.example.org' }, signature)).toBe(false)
  expect(proofSignedBy({ ...proof, chainId: 1 }, signature)).toBe(false)
  const other = { ...proof, account: Channel.address }
  expect(proofSignedBy(other, signature)).toBe(false)
  expect(proofSignedBy(other, sign(Proof.hash(other)))).toBe(false)
})

const passkey = P256.createKeyPair()
const passkeyAddress = Address.fromPublicKey(passkey.publicKey)
const clientData = (digest: Uint8Array, more = '') =>
  `{"type":"webauthn.get","challenge":"${Base64.fromBytes(digest, { url: true, pad: false })}","origin":"https://example.com"${more}}`

/** What a passkey answers when it is asked to sign a digest. */
function assertion(
  digest: Uint8Array,
  { flags = 0x05, tail = '0x' as HexText, json = clientData(digest) } = {},
) {
  const authenticatorData = Hex.concat(
    Hex.fromBytes(new Uint8Array(32)),
    Hex.fromNumber(flags, { size: 1 }),
    '0x00000000',
    tail,
  )
  const signed = Hex.concat(authenticatorData, Hash.sha256(Hex.fromString(json)))
  const signature = P256.sign({ payload: signed, hash: true, privateKey: passkey.privateKey })
  return SignatureEnvelope.serialize({
    type: 'webAuthn',
    signature,
    publicKey: passkey.publicKey,
    metadata: { authenticatorData, clientDataJSON: json },
  })
}

const p256 = (digest: Uint8Array) =>
  SignatureEnvelope.serialize({
    type: 'p256',
    signature: P256.sign({ payload: digest, privateKey: passkey.privateKey }),
    publicKey: passkey.publicKey,
    prehash: false,
  })

test('passkeys sign vouchers and proofs', () => {
  const [it, other] = fc.sample(vouchers, 2) as [VoucherTerms, VoucherTerms]
  const proof = { account: passkeyAddress, challengeId: 'abc', realm: 'api', chainId: 1 }
  for (const sign of [p256, assertion]) {
    expect(voucherSignedBy(it, sign(voucherDigest(it)), passkeyAddress)).toBe(true)
    expect(voucherSignedBy(other, sign(voucherDigest(it)), passkeyAddress)).toBe(false)
    expect(voucherSignedBy(it, sign(voucherDigest(it)), Channel.address)).toBe(false)
    expect(proofSignedBy(proof, sign(proofDigest(proof)))).toBe(true)
    expect(proofSignedBy({ ...proof, realm: 'apj' }, sign(proofDigest(proof)))).toBe(false)
    expect(proofSignedBy({ ...proof, account: Channel.address }, sign(proofDigest(proof)))).toBe(
      false,
    )
  }
})

test('what the chain refuses of passkeys is refused, although mppx takes it', async () => {
  const it = fc.sample(vouchers, 1)[0] as VoucherTerms
  const digest = voucherDigest(it)
  const challenge = digest.toString('base64url')
  const refused = {
    attested: assertion(digest, { flags: 0x45 }),
    extensions: assertion(digest, { flags: 0x85 }),
    longer: assertion(digest, { tail: '0xa0' }),
    tooLong: assertion(digest, { json: clientData(digest, `,"x":"${'x'.repeat(2_000)}"`) }),
    padded: assertion(digest, { json: clientData(digest).replace(challenge, `${challenge}=`) }),
    twice: assertion(digest, { json: clientData(digest, `,"challenge":"${challenge}"`) }),
    hidden: assertion(digest, { json: clientData(digest, `,"ch\\u0061llenge":"${challenge}"`) }),
  }
  for (const [name, signature] of Object.entries(refused)) {
    const says = {
      mppx: mppxSays(it, signature, passkeyAddress),
      chain: await chainSays(digest, signature, passkeyAddress),
      jack: voucherSignedBy(it, signature, passkeyAddress),
    }
    expect({ name, ...says }).toEqual({ name, mppx: true, chain: false, jack: false })
  }
})

test('what happens to the envelope of a passkey never makes it hold', () => {
  const envelopes = fc.constantFrom(p256, (digest: Uint8Array) => assertion(digest))
  fc.assert(
    fc.property(vouchers, envelopes, changes, (it, sign, change) => {
      const signed = sign(voucherDigest(it))
      const signature = change(signed)
      const ours = voucherSignedBy(it, signature, passkeyAddress)
      expect(ours && !mppxSays(it, signature, passkeyAddress)).toBe(false)
      if (signature.toLowerCase() !== signed) expect(ours).toBe(false)
      if (signature === signed) expect(ours).toBe(true)
    }),
  )
})

test("an envelope with another's key is not even parsed", () => {
  const digest = voucherDigest(fc.sample(vouchers, 1)[0] as VoucherTerms)
  for (const signature of [p256(digest), assertion(digest)]) {
    expect(passkeyFits({ digest, signature, signer: passkeyAddress })).toBe(true)
    expect(passkeyFits({ digest, signature, signer: Channel.address })).toBe(false)
  }
})

test('what is taken, the chain takes', async () => {
  const signers = fc.oneof(
    keys.map((privateKey) => ({
      signer: addressOfKey(privateKey),
      sign: (digest: Uint8Array) =>
        Signature.toHex(Secp256k1.sign({ payload: hex(digest), privateKey })),
    })),
    fc
      .constantFrom(p256, (digest: Uint8Array) => assertion(digest))
      .map((sign) => ({ signer: passkeyAddress, sign })),
  )
  await fc.assert(
    fc.asyncProperty(vouchers, signers, changes, async (it, { signer, sign }, change) => {
      const signature = change(sign(voucherDigest(it)))
      fc.pre(voucherSignedBy(it, signature, signer))
      expect(await chainSays(voucherDigest(it), signature, signer)).toBe(true)
    }),
    { numRuns: 50, maxSkipsPerRun: 200 },
  )
})
