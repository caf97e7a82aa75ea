import { type Account, type Chain, createClient, http, type PrivateKeyAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoLocalnet } from 'viem/chains'

/** The id of a local chain. */
export const chainId: number = tempoLocalnet.id

/** What speaks to a local chain as an account. */
export const clientOf = (rpcUrl: string, account: Account) =>
  createClient({
    account,
    // The compiler does not come to an end with its whole type.
    chain: tempoLocalnet as Chain,
    transport: http(rpcUrl),
    pollingInterval: 20,
  })

/** A new account with a thousand dollars of a local chain. */
export async function newWallet(rpcUrl: string): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  const answer = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tempo_fundAddress',
      params: [account.address],
    }),
  })
  const { error } = (await answer.json()) as { error?: object }
  if (error) throw new Error(`The faucet is dry: ${JSON.stringify(error)}`)
  return account
}
