import type { Hex } from '../Session.ts'
import { addressOf, hexBytes } from './keccak.ts'

/**
 * Whether a P256 or WebAuthn envelope keeps to the rules of the chain that a library on this side does not know, and names
 * the key of `signer`. It says nothing about the signature in it. Without these rules a payer could sign vouchers that are
 * taken here and refused there; without the key and the size, anybody's junk would be parsed at length.
 *
 * The bytes: 1, r, s, x, y, prehash. Or: 2, authenticator data, client data, r, s, x, y.
 */
export function passkeyFits(it: { digest: Buffer; signature: string; signer: Hex }): boolean {
  if (!/^0x0[12](?:[0-9a-fA-F]{2})*$/.test(it.signature)) return false
  const bytes = hexBytes(it.signature)
  const fits =
    bytes[0] === 1
      ? bytes.length === 130 && (bytes[129] as number) <= 1
      : bytes.length <= 1 + maxWebAuthnBytes && assertionFits(bytes.subarray(1, -128), it.digest)
  const key = bytes[0] === 1 ? bytes.subarray(65, 129) : bytes.subarray(-64)
  return fits && addressOf(key) === it.signer.toLowerCase()
}

const maxWebAuthnBytes = 2_048
const authenticatorBytes = 37
/** Attested data and extensions, which make authenticator data longer; the chain takes neither. */
const longerFlags = 0xc0

function assertionFits(assertion: Buffer, digest: Buffer): boolean {
  if (((assertion[32] ?? 0) & longerFlags) !== 0) return false
  const raw = assertion.subarray(authenticatorBytes)
  const text = raw.toString()
  // Of a key that comes twice JavaScript takes the last, and the chain none. Escapes could hide one.
  const once = (key: string) => text.split(`"${key}"`).length === 2
  if (text.includes('\\') || !once('type') || !once('challenge')) return false
  const client = parsed(text)
  return (
    raw.equals(Buffer.from(text)) &&
    client?.type === 'webauthn.get' &&
    client.challenge === digest.toString('base64url')
  )
}

function parsed(text: string): { type?: unknown; challenge?: unknown } | null {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
