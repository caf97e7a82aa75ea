import type { Operation } from '../wire/operations.ts'
import { prices } from '../wire/prices.ts'
import { fromUsd, toUsd } from '../wire/Usd.ts'

/** What a call costs at most, in micro-USD, out of a balance or a session. */
export function priceOf({ price }: Operation, input: { amount_usd?: string }): bigint {
  if (price === undefined) return 0n
  return price === 'amount' ? fromUsd(input.amount_usd ?? '0') : prices[price]
}

/** What an operation costs, as a sentence. */
export function cost({ price }: Operation): string {
  const usd = (microUsd: bigint) => `$${toUsd(microUsd).replace(/0{1,4}$/, '')}`
  if (price === undefined) return 'Free.'
  if (price === 'amount') return 'Costs what it adds.'
  if (price === 'execution')
    return `Costs ${usd(prices.execution)} once the program has started, also when it throws.`
  const { deploy, ttlHours } = prices.charge
  return `Costs ${usd(prices.deploy)} once it is live (${usd(deploy)} for ${ttlHours} hours when paid by a single charge); nothing when nothing changed.`
}
