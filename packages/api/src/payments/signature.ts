import { Session } from 'mppx/tempo'
import { SignatureEnvelope } from 'ox/tempo'
import type { Hex, Voucher } from '../Session.ts'
import { addressOf, hexBytes, keccak, keccakOf } from './keccak.ts'
import { passkeyFits } from './passkey.ts'
import { recoveredKey } from './recoveredKey.ts'
import { typedDigest, word } from './typedData.ts'

/** What the signature of a voucher is about. A microdollar is the unit of the token, which has six decimals. */
export interface VoucherTerms extends Pick<Voucher, 'channelId' | 'cumulativeMicroUsd'> {
  chainId: number
  /** Address of the contract that holds the deposit. */
  escrow: Hex
}

export interface Proof {
  /** Address of the wallet that proves itself. */
  account: Hex
  challengeId: string
  realm: string
  chainId: number
}

/**
 * Whether an address signed a voucher, in a way that the chain pays for. Never true where `verifyVoucher` of mppx says
 * false; false for what mppx takes and the chain refuses, since nobody could collect it.
 *
 * @param signature as it came: hex of 65 bytes, or a P256 or WebAuthn envelope, which takes ten times as long
 */
export function voucherSignedBy(voucher: VoucherTerms, signature: string, signer: Hex): boolean {
  if (!isVoucher(voucher)) return false
  const digest = voucherDigest(voucher)
  if (isPlain(signature)) return signedBy({ digest, signature, signer })
  if (!passkeyFits({ digest, signature, signer })) return false
  const { channelId, cumulativeMicroUsd: cumulativeAmount, chainId, escrow } = voucher
  const signed = { channelId, cumulativeAmount, signature: signature as Hex }
  return Session.Precompile.Voucher.verifyVoucher(escrow, chainId, signed, signer)
}

/**
 * Whether a wallet signed a challenge that costs nothing, to prove who it is. As strict as with vouchers. Keys that act
 * for a wallet are not taken: only the chain knows them.
 */
export function proofSignedBy(proof: Proof, signature: string): boolean {
  if (!isAddress(proof.account)) return false
  const digest = proofDigest(proof)
  const signer = proof.account
  if (isPlain(signature)) return signedBy({ digest, signature, signer })
  return passkeyFits({ digest, signature, signer }) && envelopeSignedBy(digest, signature, signer)
}

/**
 * Whether a wallet signed a text, as `personal_sign` does (EIP-191). As strict as with proofs.
 *
 * @param signer in lower case
 */
export function messageSignedBy(text: string, signature: string, signer: Hex): boolean {
  const bytes = Buffer.from(text)
  const prefix = Buffer.from(`\x19Ethereum Signed Message:\n${bytes.length}`)
  const digest = keccak(Buffer.concat([prefix, bytes]))
  if (isPlain(signature)) return signedBy({ digest, signature, signer })
  return passkeyFits({ digest, signature, signer }) && envelopeSignedBy(digest, signature, signer)
}

/**
 * Whether the secp256k1 key of an address made the 65 bytes r, s, v, in their one canonical form: v is 27 or 28, and s in
 * the lower half of the order. mppx takes the upper half too; the chain's verifier (TIP-1020) reverts on it.
 *
 * The key is recovered, not just verified: verifying a key that is known takes a fifth less, but says nothing about v, and
 * with the wrong v the chain finds somebody else.
 *
 * @param it.digest 32 bytes
 */
export function signedBy(it: { digest: Uint8Array; signature: string; signer: Hex }): boolean {
  return recoveredAddress(it.digest, it.signature) === it.signer.toLowerCase()
}

/** Whose key made the 65 bytes r, s, v, in lower case; null when they are no signature in its canonical form. */
export function recoveredAddress(digest: Uint8Array, signature: string): Hex | null {
  if (!isPlain(signature)) return null
  const bytes = hexBytes(signature)
  if (bytes.compare(halfOrder, 0, 32, 32, 64) > 0) return null
  const key = recoveredKey(digest, bytes.subarray(0, 64), bytes[64] === 28 ? 1 : 0)
  return key && addressOf(key)
}

/** What the signer of a voucher signs, 32 bytes. Throws a RangeError when a field is not of its type. */
export function voucherDigest(voucher: VoucherTerms): Buffer {
  if (!isVoucher(voucher)) throw new RangeError('A field of this voucher is not of its type.')
  const { channelId, cumulativeMicroUsd, chainId, escrow } = voucher
  return typedDigest(
    { name: 'TIP20 Channel Reserve', version: '1', chainId, verifyingContract: escrow },
    voucherType,
    hexBytes(channelId),
    word(cumulativeMicroUsd),
  )
}

/** What a wallet signs to prove who it is, 32 bytes. Throws a RangeError when the account is no address. */
export function proofDigest({ account, challengeId, realm, chainId }: Proof): Buffer {
  if (!isAddress(account)) throw new RangeError('The account of this proof is no address.')
  return typedDigest(
    { name: 'MPP', version: '3', chainId },
    proofType,
    word(BigInt(account)),
    keccakOf(challengeId),
    keccakOf(realm),
  )
}

const voucherType = keccakOf('Voucher(bytes32 channelId,uint96 cumulativeAmount)')
const proofType = keccakOf('Proof(address account,string challengeId,string realm)')

const isPlain = (signature: string) => /^0x[0-9a-fA-F]{128}1[bcBC]$/.test(signature)
const isAddress = (it: string) => /^0x[0-9a-fA-F]{40}$/.test(it)
const isVoucher = ({ channelId, cumulativeMicroUsd, escrow }: VoucherTerms) =>
  /^0x[0-9a-fA-F]{64}$/.test(channelId) &&
  isAddress(escrow) &&
  cumulativeMicroUsd >= 0n &&
  cumulativeMicroUsd < 1n << 96n

/** Half of the order of secp256k1. */
const halfOrder = hexBytes('0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0')

/** The library throws on what is no point of the curve. */
function envelopeSignedBy(digest: Buffer, signature: string, address: Hex): boolean {
  try {
    const payload: Hex = `0x${digest.toString('hex')}`
    return SignatureEnvelope.verify(SignatureEnvelope.from(signature as Hex), { address, payload })
  } catch {
    return false
  }
}
