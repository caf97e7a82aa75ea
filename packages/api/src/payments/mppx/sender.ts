import { Signature } from 'ox'
import { SignatureEnvelope, TxEnvelopeTempo } from 'ox/tempo'
import type { Hex } from '../../Session.ts'
import { hexBytes } from '../keccak.ts'
import { recoveredAddress } from '../signature.ts'

/**
 * Who signed a Tempo transaction, from the signature itself: a transaction that waits for a sponsor names its sender, and
 * anybody can name anybody. Null when it is unsigned, or signed by a key that acts for a wallet, which only the chain can
 * tell, or when it names another sender than its signer.
 */
export function senderOf(serialized: Hex): Hex | null {
  try {
    const transaction = TxEnvelopeTempo.deserialize(serialized as TxEnvelopeTempo.Serialized)
    const signature = transaction.signature
    if (!signature || !['secp256k1', 'p256', 'webAuthn'].includes(signature.type)) return null
    const payload = TxEnvelopeTempo.getSignPayload(TxEnvelopeTempo.from(transaction))
    const sender = signerOf(payload, signature)
    return !transaction.from || transaction.from.toLowerCase() === sender ? sender : null
  } catch {
    return null
  }
}

function signerOf(payload: Hex, signature: SignatureEnvelope.SignatureEnvelope): Hex | null {
  if (signature.type === 'secp256k1')
    return recoveredAddress(hexBytes(payload), Signature.toHex(signature.signature))
  const address = SignatureEnvelope.extractAddress({ payload, signature })
  return SignatureEnvelope.verify(signature, { address, payload })
    ? (address.toLowerCase() as Hex)
    : null
}
