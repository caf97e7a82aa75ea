import { randomBytes } from 'node:crypto'
import { Session as Tempo } from 'mppx/tempo'
import { encodeAbiParameters, encodeFunctionData, keccak256, type PrivateKeyAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { sendTransaction, waitForTransactionReceipt } from 'viem/actions'
import type { Hex, Session } from '../../Session.ts'
import type { Localnet } from '../localnet/startLocalnet.ts'
import { clientOf, newWallet } from '../localnet/testing.ts'
import type { Payments } from '../Payments.ts'
import { booksOf } from './books.ts'
import { channelsOf } from './channels.ts'

const { Chain, Constants, Voucher, escrowAbi } = Tempo.Precompile
const escrow = lower(Constants.tip20ChannelEscrow)

/** Who is paid on a chain: a cold payee, and an operator that has gas money only. */
export interface TestPayee {
  chain: Localnet
  payee: PrivateKeyAccount
  operator: PrivateKeyAccount
  operatorKey: Hex
  /** The part of the port that has to do with channels on chain. */
  payments: Pick<
    Payments,
    'chain' | 'channels' | 'close' | 'closing' | 'settle' | 'openedChannels' | 'income'
  >
}

export async function newPayee(chain: Localnet): Promise<TestPayee> {
  const payee = await newWallet(chain, 0n)
  const operatorKey = generatePrivateKey()
  const operator = privateKeyToAccount(operatorKey)
  await chain.faucet(operator.address, 100_000_000n)
  const access = {
    client: clientOf(chain, operator),
    token: lower(chain.token),
    payee: lower(payee.address),
    escrow,
    operator,
  }
  return {
    chain,
    payee,
    operator,
    operatorKey,
    payments: {
      chain: {
        id: chain.chainId,
        rpcUrl: chain.rpcUrl,
        token: access.token,
        payee: access.payee,
        operator: lower(operator.address),
        escrow,
      },
      ...channelsOf(access),
      ...booksOf(access),
    },
  }
}

/** A channel that its payer opened, and what he can do with it. */
export interface TestChannel
  extends Pick<
    Session,
    | 'channelId'
    | 'chainId'
    | 'escrow'
    | 'payer'
    | 'signer'
    | 'descriptor'
    | 'depositMicroUsd'
    | 'openedAt'
  > {
  openTx: Hex
  wallet: PrivateKeyAccount
  /** Signs for so much, all in all. */
  sign(cumulativeMicroUsd: bigint): Promise<Hex>
  topUp(additionalMicroUsd: bigint): Promise<void>
  requestClose(): Promise<void>
  /** Takes everything back that is not settled, as if the payer had asked for it long enough ago. */
  withdraw(): Promise<void>
}

/** Opens a channel as a wallet does, without a word to any server. */
export async function openChannel(
  { chain, payee, operator }: TestPayee,
  depositMicroUsd: bigint,
  payer?: PrivateKeyAccount,
): Promise<TestChannel> {
  const wallet = payer ?? (await newWallet(chain, depositMicroUsd + 100_000_000n))
  const client = clientOf(chain, wallet)
  const send = async (data: Hex) => {
    const hash = await sendTransaction(client, {
      to: escrow,
      data,
      nonceKey: 'expiring',
    } as unknown as Parameters<typeof sendTransaction>[1])
    const receipt = await waitForTransactionReceipt(client, { hash })
    if (receipt.status !== 'success') throw new Error(`The transaction ${hash} was reverted.`)
    return receipt
  }
  const terms = {
    payee: lower(payee.address),
    operator: lower(operator.address),
    token: lower(chain.token),
    salt: `0x${randomBytes(32).toString('hex')}` as Hex,
    authorizedSigner: lower(wallet.address),
  }
  const { payee: to, salt, authorizedSigner: signer } = terms
  const receipt = await send(
    encodeFunctionData({
      abi: escrowAbi,
      functionName: 'open',
      args: [to, terms.operator, terms.token, depositMicroUsd, salt, signer],
    }),
  )
  const event = Chain.getChannelEvent(receipt, 'ChannelOpened', idIn(receipt))
  const { channelId, expiringNonceHash } = Chain.readChannelOpenedReceiptFields(event)
  const descriptor = { payer: lower(wallet.address), ...terms, expiringNonceHash }
  const call = (functionName: 'requestClose' | 'withdraw') =>
    send(encodeFunctionData({ abi: escrowAbi, functionName, args: [descriptor] }))
  return {
    channelId: lower(channelId),
    chainId: chain.chainId,
    escrow,
    payer: descriptor.payer,
    signer,
    descriptor,
    depositMicroUsd,
    openedAt: new Date(),
    openTx: receipt.transactionHash,
    wallet,
    sign: (cumulativeAmount) =>
      Voucher.signVoucher(client, wallet, { channelId, cumulativeAmount }, escrow, chain.chainId),
    async topUp(additionalMicroUsd) {
      const args = [descriptor, additionalMicroUsd] as const
      await send(encodeFunctionData({ abi: escrowAbi, functionName: 'topUp', args }))
    },
    async requestClose() {
      await call('requestClose')
    },
    async withdraw() {
      await call('requestClose')
      await backdate(chain, channelId)
      await call('withdraw')
    },
  }
}

const idIn = ({ logs }: { logs: { address: string; topics: readonly Hex[] }[] }): Hex =>
  logs.find((log) => lower(log.address as Hex) === escrow)?.topics[1] as Hex

/** Moves a request to close an hour into the past, where the stand-in for the reserve keeps it. */
async function backdate({ rpc }: Localnet, channelId: Hex): Promise<void> {
  const key = [{ type: 'bytes32' }, { type: 'uint256' }] as const
  const slot = keccak256(encodeAbiParameters(key, [channelId, 0n]))
  const state = BigInt(await rpc<Hex>('eth_getStorageAt', escrow, slot, 'latest'))
  const earlier = state - (3_600n << 192n)
  await rpc('anvil_setStorageAt', escrow, slot, `0x${earlier.toString(16).padStart(64, '0')}`)
}

function lower(hex: Hex): Hex {
  return hex.toLowerCase() as Hex
}
