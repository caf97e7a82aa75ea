import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Address, Hex } from 'viem'
import { askSecret } from '../ask.ts'
import type { Session } from '../session.ts'
import { parseKey } from './key.ts'
import { keychain } from './keychain.ts'
import { type Keystore, unlock, WrongPassphrase } from './keystore.ts'
import { givenPassphrase, type PassphraseOptions } from './passphrase.ts'
import { type Kept, readWallet, walletFile } from './walletFile.ts'

/** Where a key is. */
export type WalletSource =
  | { kind: 'environment'; variable: string }
  | { kind: 'keychain'; service: 'jack' | 'mppx'; account: string }
  | { kind: 'file'; file: string; encrypted: boolean }

export interface FoundWallet {
  address: Address
  source: WalletSource
  /** May ask for the passphrase. Throws `unauthorized` when it is wrong, `usage` when nobody can be asked. */
  privateKey(): Promise<Hex>
}

type Owner = Pick<Session, 'configFile' | 'interactive' | 'print'>

/**
 * The wallet that pays: the one of the environment, else of Jack, else of mppx. Null when there is none. Asks nothing.
 * Throws `usage` when the first that is there is no key.
 */
export async function findWallet(
  owner: Owner,
  options: PassphraseOptions = {},
): Promise<FoundWallet | null> {
  return (await fromEnvironment()) ?? (await fromJack(owner, options)) ?? (await fromMppx())
}

export function originOf(source: WalletSource): string {
  switch (source.kind) {
    case 'environment':
      return `environment ${source.variable}`
    case 'keychain':
      return source.service === 'jack' ? 'keychain' : `keychain (mppx account ${source.account})`
    case 'file':
      return `${source.file} (${source.encrypted ? 'encrypted' : 'not encrypted'})`
  }
}

async function fromEnvironment(): Promise<FoundWallet | undefined> {
  for (const variable of ['JACK_PRIVATE_KEY', 'MPPX_PRIVATE_KEY']) {
    const value = process.env[variable]?.trim()
    if (!value) continue
    const { address, privateKey } = await parseKey(value, variable)
    return {
      address,
      source: { kind: 'environment', variable },
      privateKey: async () => privateKey,
    }
  }
  return undefined
}

async function fromJack(
  owner: Owner,
  options: PassphraseOptions,
): Promise<FoundWallet | undefined> {
  const file = walletFile(owner.configFile)
  const kept = readWallet(file)
  if (!kept) return undefined
  const { address } = kept
  return {
    address,
    source: sourceOf(file, kept),
    async privateKey() {
      const key = await parseKey(await keyOf(kept, owner, options), `The key in ${file}`)
      if (key.address.toLowerCase() === address.toLowerCase()) return key.privateKey
      throw new JackError('usage', `${file} is damaged: its key is not that of ${address}.`)
    },
  }
}

export const sourceOf = (file: string, kept: Kept): WalletSource =>
  'keychain' in kept
    ? { kind: 'keychain', service: 'jack', account: kept.address }
    : { kind: 'file', file, encrypted: 'keystore' in kept }

async function keyOf(kept: Kept, owner: Owner, options: PassphraseOptions): Promise<string> {
  if ('private_key' in kept) return kept.private_key
  if ('keystore' in kept) return unlockAsking(kept.keystore, owner, options)
  const key = await keychain()?.get('jack', kept.address)
  if (key !== undefined) return key
  throw new JackError('not_found', `The keychain does not give the key of ${kept.address}.`, {
    hint: 'Unlock it. If it has no such key any more, import the key from where else you have it.',
    next: [{ command: 'jack wallet rm', when: 'to forget this wallet first' }],
  })
}

/** Whoever is asked may try three times. */
export async function unlockAsking(
  keystore: Keystore,
  { interactive, print }: Pick<Owner, 'interactive' | 'print'>,
  options: PassphraseOptions,
): Promise<Hex> {
  const given = givenPassphrase(options)
  if (given !== undefined) return unlock(keystore, given)
  if (!interactive) {
    throw new JackError('usage', 'The wallet is locked with a passphrase.', {
      hint: 'Nobody is there to ask: set JACK_WALLET_PASSPHRASE.',
    })
  }
  for (let tries = 1; ; tries++) {
    try {
      return await unlock(keystore, await askSecret('Passphrase of the wallet'))
    } catch (error) {
      if (!(error instanceof WrongPassphrase) || tries === 3) throw error
      print.warn(error.message)
    }
  }
}

/** An account of the mppx command line, which keeps keys in the keychain as well. */
async function fromMppx(): Promise<FoundWallet | null> {
  const account = mppxAccount()
  // Those of Tempo's own wallet have no key here.
  if (account.startsWith('tempo:')) return null
  const text = await keychain()
    ?.get('mppx', account)
    .catch(() => undefined)
  if (text === undefined) return null
  const { address, privateKey } = await parseKey(text, `The mppx account ${account}`)
  return {
    address,
    source: { kind: 'keychain', service: 'mppx', account },
    privateKey: async () => privateKey,
  }
}

function mppxAccount(): string {
  if (process.env.MPPX_ACCOUNT?.trim()) return process.env.MPPX_ACCOUNT
  const config = process.env.XDG_CONFIG_HOME || join(homedir(), '.config')
  try {
    return readFileSync(join(config, 'mppx', 'default'), 'utf8').trim() || 'main'
  } catch {
    return 'main'
  }
}

/** Whether others than its owner may read a file in which a key stands. */
export const isExposed = (file: string): boolean =>
  process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0
