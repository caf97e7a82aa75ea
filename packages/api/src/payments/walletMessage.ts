import { getAddress } from 'viem'
import { createSiweMessage } from 'viem/siwe'
import type { Hex } from '../Session.ts'

/** What a wallet is asked to sign, so that it proves itself to this server and for this one thing. */
export interface WalletMessage {
  /** Base of the API: whose message it is. */
  url: string
  /** Where it is of use, below the base. */
  path: string
  /** In lower case. */
  address: Hex
  chainId: number
  /** What it agrees to, in one line. */
  statement: string
  nonce: string
  issuedAt: Date
  expiresAt: Date
}

/**
 * The text that is signed (EIP-4361). Wallets warn when its domain is not that of the page. It is kept with its nonce until
 * the answer comes, and the signature must be of that very text: nothing of a text that somebody sends is ever read.
 */
export const walletMessage = (it: WalletMessage): string =>
  createSiweMessage({
    version: '1',
    // Without one, it is https.
    ...(it.url.startsWith('http:') && { scheme: 'http' }),
    domain: new URL(it.url).host,
    uri: `${it.url}${it.path}`,
    address: getAddress(it.address),
    chainId: it.chainId,
    statement: it.statement,
    nonce: it.nonce,
    issuedAt: it.issuedAt,
    expirationTime: it.expiresAt,
  })
