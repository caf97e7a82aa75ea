import { JackError } from '@jackcloud/sdk'
import type { Keystore as Ox } from 'ox/Keystore'
import type { Hex } from 'viem'

/** A private key under a passphrase, in the format that other wallets read too ("Web3 Secret Storage", version 3). */
export type Keystore = Ox

/** Takes 128 MB and about half a second, for us and for each guess of a thief. */
const COST = { n: 131_072, r: 8, p: 1 }

export async function lock(privateKey: Hex, passphrase: string, cost = COST): Promise<Keystore> {
  const { encrypt, scrypt } = await import('ox/Keystore')
  return encrypt(privateKey, ...scrypt({ password: passphrase, ...cost }))
}

/** Throws `WrongPassphrase`, which is also what damage to the encrypted bytes looks like. */
export async function unlock(keystore: Keystore, passphrase: string): Promise<Hex> {
  const { decrypt, toKey } = await import('ox/Keystore')
  const key = toKey(keystore, { password: passphrase })
  try {
    return decrypt(keystore, key)
  } catch {
    throw new WrongPassphrase()
  }
}

export class WrongPassphrase extends JackError {
  constructor() {
    super('unauthorized', 'That is not the passphrase of the wallet.', {
      hint: 'Spaces and capitals count.',
    })
  }
}

/** In bytes. What geth writes takes half of it. */
const MOST_MEMORY = 512 * 1024 * 1024

/** Whether this is a keystore that can be opened here, every field of it. */
export function isKeystore(value: unknown): value is Keystore {
  const { version, crypto } = (value ?? {}) as { version?: unknown; crypto?: Loose }
  const { kdf, kdfparams, cipher, cipherparams } = crypto ?? {}
  const derivable =
    (kdf === 'scrypt' && isScrypt(kdfparams)) || (kdf === 'pbkdf2' && isPbkdf2(kdfparams))
  return (
    version === 3 &&
    derivable &&
    kdfparams?.dklen === 32 &&
    isHex(kdfparams.salt) &&
    cipher === 'aes-128-ctr' &&
    isHex((cipherparams as Loose)?.iv, 16) &&
    isHex(crypto?.ciphertext, 32) &&
    isHex(crypto?.mac, 32)
  )
}

// biome-ignore lint/suspicious/noExplicitAny: looked at before it is trusted
type Loose = Record<string, any> | undefined

const isScrypt = (it: Loose): boolean =>
  [it?.n, it?.r, it?.p].every((count) => Number.isInteger(count) && count > 0) &&
  it?.n > 1 &&
  Number.isInteger(Math.log2(it?.n)) &&
  128 * it?.r * (it?.n + it?.p + 2) <= MOST_MEMORY &&
  it?.p <= 16

const isPbkdf2 = (it: Loose): boolean =>
  it?.prf === 'hmac-sha256' && Number.isInteger(it.c) && it.c > 0 && it.c <= 10_000_000

const isHex = (it: unknown, bytes?: number): boolean =>
  typeof it === 'string' &&
  /^([0-9a-f]{2})+$/i.test(it) &&
  (bytes === undefined || it.length === 2 * bytes)
