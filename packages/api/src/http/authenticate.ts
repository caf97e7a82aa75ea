import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'

/** Who an Authorization header stands for; null without one. Throws `unauthorized` for one that is not good. */
export async function authenticate(jack: Jack, header: string | undefined): Promise<Payer | null> {
  if (header === undefined) return null
  const secret = /^bearer +(\S+)$/i.exec(header)?.[1]
  const payer = secret && (await jack.payers.find(secret, jack.now()))
  if (!payer) {
    throw new JackError('unauthorized', 'This token is not valid: unknown, revoked or expired.', {
      hint: 'Send it as "Authorization: Bearer jkt_...".',
      next: [{ command: 'jack login', when: 'you have another token' }],
    })
  }
  return payer
}

/** Throws `unauthorized` for nobody. */
export function requirePayer(payer: Payer | null): Payer {
  if (payer) return payer
  throw new JackError('unauthorized', 'This needs a token.', {
    hint: 'Send "Authorization: Bearer jkt_...". A local cloud prints its token when it starts.',
    next: [
      { command: 'jack login', when: 'you have a token' },
      { command: 'jack up', when: 'you want a cloud of your own on this machine' },
    ],
  })
}
