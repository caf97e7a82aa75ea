import { privateKeyToAccount } from 'viem/accounts'
import { tempo, tempoModerato } from 'viem/tempo/chains'
import type { Config } from '../Config.ts'
import type { Hex } from '../Session.ts'

/** Where channels are kept, on every Tempo chain (TIP-1034). */
export const escrow: Hex = '0x4d50500000000000000000000000000000000000'

/** The public networks, each with the stablecoin that wallets are expected to have there: pathUSD, and USDC.e. */
export const networks = {
  moderato: {
    chainId: tempoModerato.id,
    rpcUrl: tempoModerato.rpcUrls.default.http[0],
    token: '0x20c0000000000000000000000000000000000000',
  },
  mainnet: {
    chainId: tempo.id,
    rpcUrl: tempo.rpcUrls.default.http[0],
    token: '0x20c000000000000000000000b9537d11c60e8b50',
  },
} as const satisfies Record<string, { chainId: number; rpcUrl: string; token: Hex }>

/** What a cloud needs to be paid, as far as it is there: addresses, and no keys. */
export interface Setup {
  chainId: number
  rpcUrl: string
  token: Hex
  escrow: Hex
  payee: Hex | null
  operator: Hex | null
  /** Without one, payers pay for their gas. */
  feePayer: Hex | null
  /** Variables that have to be set. */
  missing: string[]
}

export function setupOf(chain: keyof typeof networks, given: Config['payments']): Setup {
  const { payee, operatorKey, feePayerKey, secrets, rpcUrl, token } = given
  const network = networks[chain]
  const address = (key: Hex | undefined): Hex | null =>
    key ? privateKeyToAccount(key).address : null
  return {
    chainId: network.chainId,
    rpcUrl: rpcUrl ?? network.rpcUrl,
    token: token ?? network.token,
    escrow,
    payee: payee ?? null,
    operator: address(operatorKey),
    feePayer: address(feePayerKey),
    missing: [
      ...(payee ? [] : ['JACK_PAYEE']),
      ...(operatorKey ? [] : ['JACK_OPERATOR_KEY']),
      ...(secrets ? [] : ['JACK_MPP_SECRET']),
    ],
  }
}
