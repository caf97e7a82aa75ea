import { Credential } from 'mppx'
import { Store, tempo } from 'mppx/server'
import { parseAbiItem } from 'viem'
import { getBlock, getBlockNumber, getLogs } from 'viem/actions'
import { Transaction } from 'viem/tempo'
import type { Charge } from '../../Charge.ts'
import { JackError } from '../../Errors.ts'
import type { Hex } from '../../Session.ts'
import { keccakOf } from '../keccak.ts'
import { ChargeFailed, type Payments } from '../Payments.ts'
import type { ChainClient, PaymentsConfig } from './config.ts'
import { refused, withoutData, wordsOf } from './refused.ts'

/** Throws a payment problem unless the chain would take the charge now, or has it. Nothing moves. */
export async function validateCharge(
  client: ChainClient,
  config: PaymentsConfig,
  charge: Charge,
): Promise<void> {
  const credential = Credential.deserialize(charge.credential) as never
  try {
    await methodOf(client, config).validate({ credential, request: requestOf(credential) })
  } catch (cause) {
    if (!(await findCharge(client, config, charge))) throw refused(cause, 'The charge is not valid')
  }
}

/**
 * Sends a charge and waits until it is final. Throws `ChargeFailed` when the chain surely did not take it; anything else
 * says that nobody knows, and `findCharge` will tell.
 */
export async function sendCharge(
  client: ChainClient,
  config: PaymentsConfig,
  charge: Charge,
): Promise<Hex> {
  const credential = Credential.deserialize(charge.credential) as never
  let sent = false
  const noting = Object.assign(Object.create(client), {
    request: (it: { method: string }, options?: unknown) => {
      sent ||= it.method.startsWith('eth_sendRawTransaction')
      return client.request(it as never, options as never)
    },
  }) as ChainClient
  try {
    const method = methodOf(noting, config)
    const receipt = await method.broadcast({ credential, request: requestOf(credential) })
    return (receipt as { reference: Hex }).reference
  } catch (cause) {
    const txHash = await findCharge(client, config, charge)
    if (txHash) return txHash
    if (!sent) throw new ChargeFailed('The charge was not sent.', { cause })
    if (isRefused(cause)) throw new ChargeFailed('The chain refused the charge.', { cause })
    throw new JackError('unavailable', 'The chain does not say whether the charge was paid.', {
      hint: 'Send the same request again, with the same credential: it is not paid twice.',
      retryAfterSeconds: 2,
      cause: withoutData(cause),
    })
  }
}

/** The transaction that paid a charge, found by the memo that binds it to its challenge; null when there is none. */
export async function findCharge(
  client: ChainClient,
  config: PaymentsConfig,
  { payer, challengeId, amountMicroUsd }: Parameters<Payments['findCharge']>[0],
): Promise<Hex | null> {
  const logs = await transfers(client, config, payer)
  const nonce = keccakOf(challengeId).toString('hex', 0, 7)
  const paid = logs.find(({ args }) => args.amount === amountMicroUsd && args.memo?.endsWith(nonce))
  return paid?.transactionHash ?? null
}

async function transfers(client: ChainClient, config: PaymentsConfig, from: Hex) {
  try {
    const latest = await getBlockNumber(client, { cacheTime: 0 })
    return await getLogs(client, {
      address: config.token,
      event: transferWithMemo,
      args: { from, to: config.payee },
      fromBlock: latest > lookBack ? latest - lookBack : 0n,
      toBlock: latest,
    })
  } catch (cause) {
    throw new JackError('unavailable', 'The chain does not answer.', {
      hint: 'Send the same request again, with the same credential: it is not paid twice.',
      retryAfterSeconds: 2,
      cause: withoutData(cause),
    })
  }
}

/** Whether the chain can not take a charge any more, since its nonce has expired. */
export async function isOver(
  client: ChainClient,
  { credential }: Pick<Charge, 'credential'>,
): Promise<boolean> {
  const { payload } = Credential.deserialize<{ signature: Hex }>(credential)
  const { validBefore } = Transaction.deserialize(payload.signature as never) as {
    validBefore?: number | undefined
  }
  if (validBefore === undefined) return false
  return (await getBlock(client)).timestamp >= validBefore
}

/** Blocks; a charge can be sent for a minute at most, and a recovery comes soon after. */
const lookBack = 5_000n

const transferWithMemo = parseAbiItem(
  'event TransferWithMemo(address indexed from, address indexed to, uint256 amount, bytes32 indexed memo)',
)

/** Replays are our database's matter (table `charge`), so that each use of the method has an empty memory. */
function methodOf(client: ChainClient, config: PaymentsConfig) {
  const method = tempo.charge({
    chainId: config.chainId,
    currency: config.token,
    recipient: config.payee,
    getClient: () => client,
    store: Store.memory(),
    ...(config.feePayer && { account: config.feePayer, feePayer: config.feePayer }),
  })
  return method as unknown as Record<
    'validate' | 'broadcast',
    (it: { credential: never; request: never }) => Promise<unknown>
  >
}

const requestOf = (credential: never): never =>
  (credential as { challenge: { request: never } }).challenge.request

/**
 * Whether nothing came of the transaction on chain, or a node says that its sender can not pay. A node that does not take it
 * for another reason may have it already: from whoever else sent it, or from a first try whose answer got lost.
 */
function isRefused(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    if (at.name === 'MismatchError' || /^insufficient /.test(wordsOf(at))) return true
  }
  return false
}
