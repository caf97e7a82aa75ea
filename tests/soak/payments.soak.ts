import { afterAll, beforeAll, expect, test } from 'vitest'
import { comeToRest, reckon, report } from '../kills/books.ts'
import { type MortalCloud, mortalCloud } from '../kills/cloud.ts'
import { type Market, openMarket } from '../kills/market.ts'
import { steps } from '../kills/points.ts'

// `JACK_SOAK_KILLS=50 pnpm soak payments`: how many random kills, 200 by default; and one at each step.
const kills = Number(process.env.JACK_SOAK_KILLS ?? 200)
let cloud: MortalCloud
let market: Market

beforeAll(async () => {
  cloud = await mortalCloud('payments-soak', { JACK_SETTLE_ABOVE_USD: '0.05' })
  market = await openMarket(cloud, { each: 2 })
}, 120_000)

afterAll(() => cloud?.close(), 60_000)

test.each(steps)('kill -9, $name', (step) => market.killAt(step))

test(`${kills} kills at any moment`, () => market.storm(kills))

test('books, channels and chain agree, and everybody paid for what he got', async () => {
  await comeToRest(market)
  const reckoning = await reckon(market)
  console.log(report(market, reckoning))
  expect(reckoning.wrong).toEqual([])
})
