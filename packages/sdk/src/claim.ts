import { JackError } from './JackError.ts'

/** A wallet, as viem has it. */
export interface ClaimingWallet {
  address: string
  signMessage(it: { message: string }): Promise<string>
}

/**
 * Throws `bad_answer` unless a message (EIP-4361) does what was asked for and no more: attach projects of this wallet, at
 * this cloud, to this account. A server that means no good could have the wallet sign in elsewhere.
 */
export function requireClaim(
  message: string,
  { url, address, slug }: { url: string; address: string; slug: string },
): void {
  const [first = '', second = '', , statement = '', , uri = ''] = message.split('\n')
  const { protocol, host } = new URL(url)
  const domain = first.replace(/ wants you to sign in with your Ethereum account:$/, '')
  const fits =
    (domain === host || domain === `${protocol}//${host}`) &&
    second.toLowerCase() === address.toLowerCase() &&
    statement.startsWith('Attach ') &&
    statement.includes(` to the account "${slug}"`) &&
    uri === `URI: ${url}/v1/claim`
  if (fits) return
  throw new JackError('bad_answer', `${url} asks the wallet to sign something else.`, {
    hint: 'Nothing was signed. If you come to it by another name than its own, use that: jack config shows the URL.',
  })
}
