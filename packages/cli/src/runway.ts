import type { Answer } from '@jackcloud/sdk'
import { lasting, usd } from './print.ts'

/** @example '$4.21 lasts about 12 days at the rate of the last 24 hours.' */
export const runwayText = ({
  runway: { balance_usd, hours },
}: Pick<Answer<'accountUsage'>, 'runway'>): string =>
  hours === null
    ? `The balance is ${usd(balance_usd)}. Nothing was used in the last 24 hours.`
    : `${usd(cents(balance_usd))} lasts about ${lasting(hours)} at the rate of the last 24 hours.`

/** Whole cents, unless there is less than one. */
const cents = (amount: string): string =>
  Number(amount) >= 0.01 ? `${amount.slice(0, -4)}0000` : amount
