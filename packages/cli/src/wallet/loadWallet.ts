import type { LocalAccount, PrivateKeyAccount } from 'viem/accounts'
import type { Session } from '../session.ts'
import { type FoundWallet, findWallet, type WalletSource } from './findWallet.ts'

export interface Wallet {
  account: LocalAccount
  source: WalletSource
}

/**
 * The wallet that pays, or null when there is none. Its key is read by its first signature, which may ask for the
 * passphrase: then it throws `unauthorized` when that is wrong, `usage` when nobody is there to ask.
 */
export async function loadWallet(
  session: Pick<Session, 'configFile' | 'interactive' | 'print'>,
): Promise<Wallet | null> {
  const found = await findWallet(session)
  return found && { account: await accountOf(found), source: found.source }
}

async function accountOf({ address, privateKey }: FoundWallet): Promise<LocalAccount> {
  const { privateKeyToAccount, toAccount } = await import('viem/accounts')
  let opening: Promise<PrivateKeyAccount> | undefined
  const opened = () => {
    opening ??= privateKey().then(privateKeyToAccount)
    // One that failed may be tried again.
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
  return toAccount({
    address,
    sign: async (it) => (await opened()).sign(it),
    signAuthorization: async (it) => (await opened()).signAuthorization(it),
    signMessage: async (it) => (await opened()).signMessage(it),
    signTransaction: async (...it) => (await opened()).signTransaction(...it),
    signTypedData: async (it) => (await opened()).signTypedData(it),
  })
}
