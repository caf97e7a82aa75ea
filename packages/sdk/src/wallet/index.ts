import type { Payer, Purchase } from '../fetch.ts'
import type { Wallet, WalletOptions } from './wallet.ts'

/** The wallet of a client. */
export type OwnWallet = Pick<Wallet, 'address' | 'spent' | 'sessions'>

/** A wallet that is loaded when it is first needed: it is big, and most calls are free. */
export function walletOf(
  options: Partial<WalletOptions>,
): { payer: Payer; own: OwnWallet } | undefined {
  const { account } = options
  if (!account) return undefined
  let loading: Promise<Wallet> | undefined
  const wallet = () => {
    loading ??= import('./wallet.ts').then((it) => it.createWallet({ ...options, account }))
    return loading
  }
  return {
    own: {
      address: async () => (await wallet()).address(),
      spent: async () => (await wallet()).spent(),
      sessions: async () => (await wallet()).sessions(),
    },
    payer: {
      accepts: accepts[options.pay ?? 'auto'],
      purchase(request) {
        let begun: Purchase | undefined
        return {
          get headers() {
            return begun?.headers ?? {}
          },
          async heard(outcome) {
            if (!begun && outcome.response?.status !== 402) return false
            begun ??= (await wallet()).purchase(request)
            return begun.heard(outcome)
          },
          abandon: async () => begun?.abandon(),
        }
      },
    },
  }
}

/** A charge of nothing is how a wallet proves who it is, so charges are always among them. */
const accepts = {
  auto: 'tempo/session, tempo/charge',
  session: 'tempo/session, tempo/charge;q=0.5',
  charge: 'tempo/charge, tempo/session;q=0.5',
}
