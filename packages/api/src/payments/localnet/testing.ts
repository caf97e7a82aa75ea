import { type Account, type Address, createClient, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoLocalnet } from 'viem/chains'
import { Actions } from 'viem/tempo'
import { afterAll } from 'vitest'
import { type Localnet, startLocalnet } from './startLocalnet.ts'

/** A chain for all tests of a file, started when the first of them asks for it. Call it at the top of the file. */
export function testChain(): () => Promise<Localnet> {
  let started: Promise<Localnet> | undefined
  afterAll(async () => (await started)?.stop())
  return () => {
    started ??= startLocalnet()
    return started
  }
}

/** What speaks to the chain as an account. */
export const clientOf = (chain: Localnet, account: Account) =>
  createClient({
    account,
    chain: { ...tempoLocalnet, id: chain.chainId },
    transport: http(chain.rpcUrl),
    pollingInterval: 20,
  })

/** A new account with money, 1,000 USD if no amount is said. */
export async function newWallet(chain: Localnet, microUsd?: bigint) {
  const account = privateKeyToAccount(generatePrivateKey())
  if (microUsd !== 0n) await chain.faucet(account.address, microUsd)
  return account
}

/** What an address has, in micro-USD. */
export async function balanceOf(chain: Localnet, address: Address): Promise<bigint> {
  const client = clientOf(chain, privateKeyToAccount(generatePrivateKey()))
  const balance = await Actions.token.getBalance(client, { account: address, token: chain.token })
  return typeof balance === 'bigint' ? balance : (balance as { amount: bigint }).amount
}
