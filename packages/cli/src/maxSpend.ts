import { JackError } from '@jackcloud/sdk'
import { amount } from './amount.ts'

type Fetch = (input: string, init: RequestInit) => Promise<Response>

/**
 * A `fetch` that does not send what costs more than `--max-spend` by the price list. What a token pays for is taken from
 * its account without asking; a wallet is asked, and has limits of its own.
 */
export function withMaxSpend(send: Fetch, maxSpend: string): Fetch {
  const most = amount(maxSpend)
  return async (input, init) => {
    const { fromUsd, toUsd } = await import('@jackcloud/sdk/wire')
    const price = await priceOf(init.method, new URL(input).pathname, init.body)
    if (price <= fromUsd(most)) return send(input, init)
    throw new JackError(
      'spending_limit',
      `This costs $${toUsd(price)}, and --max-spend is ${most}.`,
      {
        hint: 'Nothing was sent or paid.',
      },
    )
  }
}

/** In micro-USD. A deploy that turns out to change nothing is free, which only the server knows. */
async function priceOf(method: string | undefined, path: string, body: unknown): Promise<bigint> {
  const { fromUsd, prices } = await import('@jackcloud/sdk/wire')
  if (method !== 'POST') return 0n
  if (path.endsWith('/execute')) return prices.execution
  if (/\/deploy(ments\/upload)?$/.test(path)) return prices.deploy
  if (path.endsWith('/v1/balance')) return fromUsd(JSON.parse(String(body)).amount_usd)
  return 0n
}
