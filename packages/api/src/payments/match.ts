import type { Offer, Presented } from './Payments.ts'
import { paymentProblem } from './problems.ts'

export const isSession = ({ kind }: Presented): boolean => kind !== 'proof' && kind !== 'charge'

/** A credential is good for the request that its challenge was made for, at the price of now. */
export function requireMatch(presented: Presented, offer: Offer): void {
  const microUsd = isSession(presented) ? offer.sessionMicroUsd : offer.chargeMicroUsd
  const wrong =
    presented.scope !== offer.scope
      ? 'another route'
      : presented.bodySha256 !== (offer.bodySha256 ?? null)
        ? 'another body'
        : presented.amountMicroUsd !== microUsd
          ? 'another price'
          : null
  if (wrong) {
    throw paymentProblem(
      'invalid-challenge',
      `The challenge was made for ${wrong} than this request has.`,
      {
        hint: 'Answer the challenge of the very request that you send.',
      },
    )
  }
}
