import { randomBytes } from 'node:crypto'
import { Session } from 'mppx/tempo'
import {
  type Address,
  concat,
  decodeFunctionData,
  encodeAbiParameters,
  type Hex,
  isAddress,
  isAddressEqual,
  keccak256,
  parseTransaction,
  recoverTransactionAddress,
  serializeTransaction,
  type TransactionSerializable,
  type TransactionSerialized,
  toHex,
} from 'viem'
import { Transaction } from 'viem/tempo'
import type { Anvil } from './anvil.ts'
import { reserveCode } from './reserveCode.ts'

const { Channel, escrowAbi } = Session.Precompile

/** Where every Tempo chain has its channel reserve. */
export const RESERVE: Address = Session.Precompile.Protocol.tip20ChannelEscrow

/** Puts the stand-in where the reserve belongs, unless the chain brings its own. */
export async function installReserve(anvil: Anvil): Promise<'stand-in' | 'native'> {
  const code = await anvil.rpc<Hex>('eth_getCode', RESERVE, 'latest')
  if (code !== '0x' && code.length < SHORTEST_CONTRACT) return 'native'
  await anvil.rpc('anvil_setCode', RESERVE, reserveCode)
  return 'stand-in'
}

/** A precompile has one byte of code. What is longer is a stand-in of an earlier run, and replaced by today's. */
const SHORTEST_CONTRACT = 100

/** A call as transactions and requests to simulate carry it. */
export interface Call {
  to?: Address | null | undefined
  data?: Hex | undefined
}

/** Who sends what, and what it is called where it is to be unique. */
export interface Sending {
  from: Address
  calls: readonly Call[]
  hash: Hex
}

/** A signed transaction as the reserve sees it; undefined when it cannot be read, which the chain will say as well. */
export async function readTransaction(serialized: Hex): Promise<Sending | undefined> {
  try {
    return serialized.startsWith('0x76')
      ? readTempo(serialized as TransactionSerializedTempo)
      : await readEthereum(serialized as TransactionSerialized)
  } catch {
    return undefined
  }
}

function readTempo(serialized: TransactionSerializedTempo): Sending | undefined {
  const transaction = Transaction.deserialize(serialized)
  const { from, calls } = transaction
  if (!from) return undefined
  // Who pays the fee signs after the sender did.
  const feePayer = transaction.feePayerSignature ? true : undefined
  const signed = Channel.transactionForExpiringNonceHash({ feePayer, transaction })
  return { from, calls, hash: Channel.computeExpiringNonceHash(signed, { sender: from }) }
}

async function readEthereum(serialized: TransactionSerialized): Promise<Sending> {
  const { r, s, v, yParity, ...unsigned } = parseTransaction(serialized)
  const from = await recoverTransactionAddress({ serializedTransaction: serialized })
  const { to, data } = unsigned
  const signed = serializeTransaction(unsigned as TransactionSerializable)
  return { from, calls: [{ to, data }], hash: keccak256(concat([signed, from])) }
}

type TransactionSerializedTempo = `0x76${string}`

/** A request to simulate: nothing is kept of it, so that any hash will do. */
export function readSimulation(request: unknown): Sending | undefined {
  if (typeof request !== 'object' || request === null) return undefined
  const { from, to, data, input, calls } = request as Record<string, never>
  if (!from || !isAddress(from, ANY_CASE)) return undefined
  const list: unknown = calls ?? [{ to, data: data ?? input }]
  return Array.isArray(list)
    ? { from, calls: list.filter(isCall), hash: toHex(randomBytes(32)) }
    : undefined
}

/** Whether it opens channels or adds to one: then `prepareReserve` has to come first. */
export const needsReserve = (sending: Sending): boolean => tokensPulled(sending).length > 0

/** Does for the stand-in what only the protocol can do: tells it the transaction's hash, and lets it pull the deposit. */
export async function prepareReserve(anvil: Anvil, sending: Sending): Promise<void> {
  const { from, hash } = sending
  await anvil.rpc('anvil_setStorageAt', RESERVE, inMapping(from, toHex(ANNOUNCED, WORD)), hash)
  for (const token of tokensPulled(sending)) {
    const allowances = inMapping(from, toHex(ALLOWANCES, WORD))
    await anvil.rpc('anvil_setStorageAt', token, inMapping(RESERVE, allowances), ENDLESS)
  }
}

/** Slots: of `announced` in the stand-in, of the allowances in a TIP-20 token. */
const ANNOUNCED = 1
const ALLOWANCES = 10
const WORD = { size: 32 }
const ENDLESS: Hex = `0x${'ff'.repeat(32)}`

const inMapping = (key: Address, slot: Hex): Hex =>
  keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [key, slot]))

function tokensPulled({ calls }: Sending): Address[] {
  return calls.flatMap(({ to, data }) => {
    if (!to || !data || !isReserve(to)) return []
    const token = tokenPulled(data)
    // Only of a token: whatever else is named there keeps its storage.
    return token && /^0x20c0{21}/i.test(token) ? [token] : []
  })
}

function tokenPulled(data: Hex): Address | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: escrowAbi, data })
    if (functionName === 'open') return args[2]
    if (functionName === 'topUp') return args[0].token
  } catch {}
  return undefined
}

const isReserve = (address: Address): boolean =>
  isAddress(address, ANY_CASE) && isAddressEqual(address, RESERVE)

const isCall = (value: unknown): value is Call => typeof value === 'object' && value !== null

const ANY_CASE = { strict: false }
