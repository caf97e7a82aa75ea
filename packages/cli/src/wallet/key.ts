import { JackError } from '@jackcloud/sdk'
import type { Address, Hex } from 'viem'

/** Whoever has the private key has the money of the address. It is never printed, logged or put into an error. */
export interface Key {
  privateKey: Hex
  address: Address
}

export async function newKey(): Promise<Key> {
  const { generatePrivateKey } = await import('viem/accounts')
  return parseKey(generatePrivateKey(), 'A new key')
}

/**
 * A private key as people write it: 64 hex digits, with or without 0x.
 *
 * @param whose what the error names, such as `JACK_PRIVATE_KEY`
 * @throws JackError `usage`, which does not quote the text
 */
export async function parseKey(text: string, whose: string): Promise<Key> {
  const [, digits] = text.trim().match(/^(?:0x)?([0-9a-f]{64})$/i) ?? []
  if (digits === undefined) throw notAKey(whose)
  const { privateKeyToAccount } = await import('viem/accounts')
  const privateKey: Hex = `0x${digits.toLowerCase()}`
  try {
    return { privateKey, address: privateKeyToAccount(privateKey).address }
  } catch {
    throw notAKey(whose)
  }
}

const notAKey = (whose: string) =>
  new JackError('usage', `${whose} is not a private key.`, {
    hint: 'It has 64 hex digits, such as 0x4c08...; an address has only 40.',
  })

/** Whether words that were given hold something that may be a private key. */
export const looksLikeKey = (text: string): boolean => /^(0x)?[0-9a-f]{64}$/i.test(text.trim())

/** The environment without what opens a wallet, for programs that have no need of it. */
export function withoutKeys(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { JACK_PRIVATE_KEY, MPPX_PRIVATE_KEY, JACK_WALLET_PASSPHRASE, ...rest } = env
  return rest
}
