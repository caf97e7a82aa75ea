import { paint } from '../print.ts'
import type { Session } from '../session.ts'
import { sourceOf, type WalletSource } from './findWallet.ts'
import type { Key } from './key.ts'
import { keychain } from './keychain.ts'
import { lock } from './keystore.ts'
import { newPassphrase, type PassphraseOptions } from './passphrase.ts'
import { createWallet, type Kept, readWallet, walletFile } from './walletFile.ts'

export interface KeepOptions extends PassphraseOptions {
  /** In a file although there may be a keychain. */
  file?: boolean | undefined
  /** False: in a file, and not encrypted. */
  passphrase?: boolean | undefined
}

/** Keeps a key as the wallet of this user: in the keychain, else in a file. Throws `conflict` when there is a wallet. */
export async function keep(
  session: Pick<Session, 'configFile' | 'interactive' | 'print'>,
  key: Key,
  options: KeepOptions,
): Promise<WalletSource> {
  const file = walletFile(session.configFile)
  const kept = (await inKeychain(session, key, options)) ?? (await inFile(session, key, options))
  try {
    createWallet(file, kept)
  } catch (error) {
    if ('keychain' in kept) await takeBack(file, key)
    throw error
  }
  return sourceOf(file, kept)
}

async function inKeychain(
  { print }: Pick<Session, 'print'>,
  { address, privateKey }: Key,
  { file, passphrase, passphraseFile }: KeepOptions,
): Promise<Kept | undefined> {
  const os = keychain()
  if (!os || file || passphrase === false || passphraseFile !== undefined) return undefined
  try {
    await print.while('Asking the keychain', os.set('jack', address, privateKey))
    return { address, keychain: true }
  } catch (error) {
    print.note(paint('dim', (error as Error).message))
    return undefined
  }
}

async function inFile(
  session: Pick<Session, 'interactive' | 'print'>,
  { address, privateKey }: Key,
  options: KeepOptions,
): Promise<Kept> {
  const passphrase =
    options.passphrase === false ? undefined : await newPassphrase(session, options)
  if (passphrase === undefined) return { address, private_key: privateKey }
  return { address, keystore: await lock(privateKey, passphrase) }
}

/** Another process was faster. It may have kept the same key. */
async function takeBack(file: string, { address }: Key): Promise<void> {
  if (readWallet(file)?.address !== address) await keychain()?.remove('jack', address)
}
