import type { Chain } from 'viem'
import { tempo, tempoLocalnet, tempoModerato } from 'viem/tempo/chains'
import type { PaymentsConfig } from './config.ts'

/** What viem knows of a Tempo chain, at the RPC that we were told. */
export function chainOf({ chainId, rpcUrl }: Pick<PaymentsConfig, 'chainId' | 'rpcUrl'>): Chain {
  const known = [tempo, tempoModerato, tempoLocalnet].find((it) => it.id === chainId)
  return {
    ...(known ?? tempoLocalnet),
    id: chainId,
    rpcUrls: { default: { http: [rpcUrl] } },
  } as Chain
}
