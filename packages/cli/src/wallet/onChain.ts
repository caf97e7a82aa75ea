import { type Jack, JackError } from '@jackcloud/sdk'

/** Where a cloud is paid, as far as a wallet has to know. */
export interface PayChain {
  id: number
  name: string
  rpcUrl: string
  token: string
  /** Whether it gives money away: it is worth nothing. */
  faucet: boolean
}

/** The chain that a cloud is paid on. Throws `unavailable` when it takes no payments. */
export async function payChain(jack: Jack, signal: AbortSignal): Promise<PayChain> {
  const { chain } = await jack.paymentTerms({ signal })
  if (!chain) throw new JackError('unavailable', `${jack.url} takes no payments by wallets.`)
  const { tempo, tempoModerato, tempoLocalnet } = await import('viem/tempo/chains')
  const known = [tempo, tempoModerato, tempoLocalnet].find((it) => it.id === chain.id)
  const rpcUrl =
    process.env.JACK_RPC_URL ||
    process.env.MPPX_RPC_URL ||
    (chain.rpc_url ?? known?.rpcUrls.default.http[0])
  if (!rpcUrl) {
    throw new JackError('unavailable', `Chain ${chain.id} is not known here.`, {
      hint: 'Set JACK_RPC_URL to a node of it.',
    })
  }
  return {
    id: chain.id,
    name: known?.name ?? `chain ${chain.id}`,
    rpcUrl,
    token: chain.token,
    faucet: chain.rpc_url !== null || chain.id === tempoModerato.id,
  }
}

/** What an address has of the token, in micro-USD: it has six decimals. */
export async function balanceOnChain(chain: PayChain, address: string): Promise<bigint> {
  const data = `0x70a08231${address.slice(2).toLowerCase().padStart(64, '0')}`
  return BigInt(await ask(chain, 'eth_call', { to: chain.token, data }, 'latest'))
}

/** Lets a chain that gives money away give some. */
export async function askFaucet(chain: PayChain, address: string): Promise<void> {
  await ask(chain, 'tempo_fundAddress', address)
}

async function ask({ rpcUrl }: PayChain, method: string, ...params: unknown[]): Promise<string> {
  try {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(20_000),
    })
    const { result, error } = (await response.json()) as {
      result?: string
      error?: { message: string }
    }
    if (error || result === undefined) throw new Error(error?.message ?? 'no answer')
    return result
  } catch (cause) {
    throw new JackError('network', `The chain at ${new URL(rpcUrl).origin} did not answer.`, {
      hint: 'Set JACK_RPC_URL to a node that does.',
      cause,
    })
  }
}
