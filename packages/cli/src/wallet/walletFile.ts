import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Address, Hex } from 'viem'
import { createPrivately } from '../writePrivately.ts'
import { isKeystore, type Keystore } from './keystore.ts'

/** What the file of the wallet says: the address, and the key or where it is. */
export type Kept = { address: Address } & (
  | { keychain: true }
  | { keystore: Keystore }
  | { private_key: Hex }
)

export const walletFile = (configFile: string): string => join(dirname(configFile), 'wallet.json')

/** Undefined when there is no wallet. Throws `usage` when the file is damaged; what it holds is not quoted. */
export function readWallet(file: string): Kept | undefined {
  if (!existsSync(file)) return undefined
  const kept = parse(readFileSync(file, 'utf8'))
  if (kept) return kept
  throw new JackError('usage', `${file} is damaged: it holds no wallet.`, {
    hint: 'Put back a copy of it, or remove it and import the key again.',
    next: [{ command: 'jack wallet rm', when: 'to remove it' }],
  })
}

/** Throws `conflict` when there is one: no key is ever overwritten, also not by two processes at once. */
export function createWallet(file: string, kept: Kept): void {
  if (!createPrivately(file, `${JSON.stringify(kept, null, 2)}\n`)) throw exists(readWallet(file))
}

export function refuseSecondWallet(file: string): void {
  const kept = readWallet(file)
  if (kept) throw exists(kept)
}

export const removeWallet = (file: string): void => rmSync(file)

const exists = (kept: Kept | undefined) =>
  new JackError('conflict', `There is a wallet already: ${kept?.address}.`, {
    hint: 'Its key would be lost. Save it first, then remove the wallet.',
    next: [
      { command: 'jack wallet show', when: 'to see where its key is' },
      { command: 'jack wallet export', when: 'to save its key' },
      { command: 'jack wallet rm', when: 'to remove it' },
    ],
  })

function parse(text: string): Kept | undefined {
  const it = json(text)
  if (!/^0x[0-9a-f]{40}$/i.test(String(it?.address))) return undefined
  const whole =
    it?.keychain === true ||
    isKeystore(it?.keystore) ||
    /^0x[0-9a-f]{64}$/.test(String(it?.private_key))
  return whole ? (it as unknown as Kept) : undefined
}

function json(text: string): Record<string, unknown> | undefined {
  try {
    const it = JSON.parse(text)
    return typeof it === 'object' && it !== null ? it : undefined
  } catch {
    return undefined
  }
}
