import type { Account, Chain, Client, Transport } from 'viem'
import type { Hex } from '../../Session.ts'

/** The network, the keys and the addresses that payments go through. */
export interface PaymentsConfig {
  chainId: number
  rpcUrl: string
  /** TIP-20 stablecoin with six decimals. */
  token: Hex
  payee: Hex
  escrow: Hex
  /** Closes channels. Needs gas money only. */
  operator: Account
  /** Pays the gas of payers' transactions. */
  feePayer: Account | null
  /** Of challenges: the first one signs, all of them count. Each 32 bytes or more. */
  secrets: readonly [string, ...string[]]
  suggestedDepositMicroUsd: bigint
}

/** A client of the chain that signs as the operator. */
export type ChainClient = Client<Transport, Chain, Account>
