import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { messageSignedBy } from '../payments/signature.ts'
import { walletMessage } from '../payments/walletMessage.ts'
import type { Hex } from '../Session.ts'
import * as nonces from '../store/nonces.ts'
import { requirePayments } from './require-payments.ts'

const minutes = 10

/**
 * What a wallet signs to sign a browser in; good for one answer of that browser, for ten minutes.
 *
 * @param address in lower case
 */
export async function askWallet(
  jack: Jack,
  browser: string,
  address: Hex,
): Promise<{ nonce: string; message: string }> {
  const { chain } = requirePayments(jack)
  const issuedAt = jack.now()
  const expiresAt = new Date(issuedAt.getTime() + minutes * 60_000)
  const asked = { purpose: 'wallet', boundTo: browser } as const
  const { nonce, detail } = await nonces.issue(jack.db, asked, expiresAt, (nonce) => ({
    address,
    message: walletMessage({
      url: jack.urls.api,
      path: '/sign-in',
      address,
      chainId: chain.id,
      statement: 'Sign in to Jack with this wallet. It costs nothing.',
      nonce,
      issuedAt,
      expiresAt,
    }),
  }))
  return { nonce, message: detail.message as string }
}

/** The account of the wallet that signed. Throws `unauthorized`. */
export async function signInByWallet(
  jack: Jack,
  browser: string,
  it: { nonce: string; signature: string },
): Promise<string> {
  const asked = { purpose: 'wallet', boundTo: browser } as const
  const detail = await nonces.take(jack.db, asked, it.nonce, jack.now())
  if (!detail) {
    throw new JackError('unauthorized', 'This message was signed before, or is too old.', {
      hint: `A message is good once, for ${minutes} minutes, in the browser that asked for it. Ask for another one.`,
    })
  }
  const address = detail.address as Hex
  if (!messageSignedBy(detail.message as string, it.signature, address)) {
    throw new JackError('unauthorized', 'This is not the signature of that wallet.', {
      hint: 'Sign the message as it stands, with the wallet that it names. Contracts can not sign in.',
    })
  }
  return (await jack.wallets.accountOf(address)).accountId
}
