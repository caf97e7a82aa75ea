import { randomBytes } from 'node:crypto'
import { Session } from 'mppx/tempo'
import {
  type Account,
  type Address,
  createClient,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  parseEventLogs,
  type TransactionReceipt,
  toHex,
  zeroAddress,
} from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { sendTransactionSync } from 'viem/actions'
import { tempoLocalnet } from 'viem/chains'
import { Actions } from 'viem/tempo'
import { afterAll } from 'vitest'
import { RESERVE } from './reserve.ts'
import { type Localnet, startLocalnet } from './startLocalnet.ts'

const { Voucher, escrowAbi } = Session.Precompile

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
export async function newWallet(chain: Localnet, microUsd?: bigint): Promise<PrivateKeyAccount> {
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

export interface TestChannel {
  id: Hex
  descriptor: Session.Precompile.Types.ChannelDescriptor
}

/** What `open` is called with; deposits 5 USD if no amount is said. */
export const openCall = (
  chain: Localnet,
  it: {
    payee: Address
    operator?: Address
    token?: Address
    deposit?: bigint
    salt?: Hex
    signer?: Address
  },
): { to: Address; data: Hex } => ({
  to: RESERVE,
  data: encodeFunctionData({
    abi: escrowAbi,
    functionName: 'open',
    args: [
      it.payee,
      it.operator ?? zeroAddress,
      it.token ?? chain.token,
      it.deposit ?? 5_000_000n,
      it.salt ?? toHex(randomBytes(32)),
      it.signer ?? zeroAddress,
    ],
  }),
})

/** Opens a channel without any server. */
export async function openChannel(
  chain: Localnet,
  payer: Account,
  terms: Parameters<typeof openCall>[1],
): Promise<TestChannel> {
  const receipt = await sendCalls(chain, payer, [openCall(chain, terms)])
  const [opened] = parseEventLogs({
    abi: escrowAbi,
    logs: receipt.logs,
    eventName: 'ChannelOpened',
  })
  if (!opened) throw new Error('The transaction opened no channel.')
  const { channelId, payee, operator, token, salt, authorizedSigner, expiringNonceHash } =
    opened.args
  const descriptor = {
    payer: payer.address,
    payee,
    operator,
    token,
    salt,
    authorizedSigner,
    expiringNonceHash,
  }
  return { id: channelId, descriptor }
}

/** What authorizes a payee to take that much, all in all. */
export const signVoucher = (
  chain: Localnet,
  signer: Account,
  channelId: Hex,
  cumulativeAmount: bigint,
): Promise<Hex> =>
  Voucher.signVoucher(
    clientOf(chain, signer),
    signer,
    { channelId, cumulativeAmount },
    RESERVE,
    chain.chainId,
  )

/** Makes all calls in one transaction of an account. With `gas` the chain is not asked beforehand whether it works. */
export function sendCalls(
  chain: Localnet,
  sender: Account,
  calls: { to: Address; data: Hex }[],
  gas?: bigint,
): Promise<TransactionReceipt> {
  const request = { calls, nonceKey: 'expiring', feeToken: chain.token, ...(gas && { gas }) }
  return sendTransactionSync(clientOf(chain, sender), request as never)
}

/** Lets the time pass that a payer has to wait after a close request. Of the stand-in only: it rewrites its storage. */
export async function endGrace(chain: Localnet, channelId: Hex): Promise<void> {
  const types = [{ type: 'bytes32' }, { type: 'uint256' }] as const
  const slot = keccak256(encodeAbiParameters(types, [channelId, 0n]))
  const word = BigInt(await chain.rpc<Hex>('eth_getStorageAt', RESERVE, slot, 'latest'))
  const earlier = word - ((15n * 60n) << REQUESTED_AT)
  await chain.rpc('anvil_setStorageAt', RESERVE, slot, toHex(earlier, { size: 32 }))
}

/** Where the time of the close request begins: after settled and deposit. */
const REQUESTED_AT = 192n
