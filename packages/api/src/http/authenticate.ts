import type { Context } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { type Resource, resourceAt } from '../Resource.ts'
import type { Door } from './Door.ts'

/** Whose request this is, as far as a token or the request that it is part of says. */
export const callerOf = async (c: Context<Door>, jack: Jack): Promise<Payer | null> =>
  c.env.within?.payer ?? authenticate(jack, c.req.header('authorization'), resourceAt(c.req.path))

/**
 * Who an Authorization header stands for; null without one. Throws `unauthorized` for one that is not good.
 *
 * @param resource what is asked to be used
 */
async function authenticate(
  jack: Jack,
  header: string | undefined,
  resource: Resource,
): Promise<Payer | null> {
  if (header === undefined || isPayment(header)) return null
  const secret = /^bearer +(\S+)$/i.exec(header)?.[1]
  const payer = secret && (await jack.payers.find(secret, jack.now(), resource))
  if (!payer) {
    throw new JackError(
      'unauthorized',
      'This token is not valid here: unknown, revoked, expired, or made for another address.',
      {
        hint: 'Over HTTP it is sent as "Authorization: Bearer jkt_..."; the command line takes it from JACK_TOKEN.',
        next: [{ command: 'jack login', when: 'to sign in again' }],
      },
    )
  }
  // What pays is of this request; the rest is remembered.
  return { ...payer, funding: { ...payer.funding } }
}

/** Whether an Authorization header is a wallet's (the Payment scheme) and no token. */
export const isPayment = (header: string): boolean => /^payment\s/i.test(header)

/** Throws `unauthorized` for nobody. */
export function requirePayer(payer: Payer | null): Payer {
  if (payer) return payer
  throw new JackError('unauthorized', 'This needs a token.', {
    hint: 'Over HTTP it is sent as "Authorization: Bearer jkt_..."; the command line takes it from JACK_TOKEN.',
    next: [
      { command: 'jack login', when: 'to sign in' },
      { command: 'jack up', when: 'to start a cloud of your own on this machine' },
    ],
  })
}
