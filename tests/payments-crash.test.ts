import { afterAll, beforeAll, expect, test } from 'vitest'
import { comeToRest, reckon, report } from './kills/books.ts'
import { buy, newBuyer } from './kills/buyers.ts'
import { type MortalCloud, mortalCloud } from './kills/cloud.ts'
import { type Market, openMarket } from './kills/market.ts'
import { type Step, steps } from './kills/points.ts'
import { execution } from './kills/work.ts'

// Wallets buy from one cloud, which is killed between its steps; in the end everything has to add up. In order.
let cloud: MortalCloud
let market: Market

beforeAll(async () => {
  cloud = await mortalCloud('payments-crash', { JACK_SETTLE_ABOVE_USD: '0.02' })
  market = await openMarket(cloud)
}, 120_000)

afterAll(() => cloud?.close(), 60_000)

/** Twenty kills: one at each step of everything, where it can do most harm. `pnpm soak payments` does them all. */
const wanted = [
  'open: before the channel is open',
  'open: after the channel is open',
  'open: after the session is open',
  'execute: after the voucher is accepted',
  'execute: before it is captured',
  'execute: after it is heard',
  'execute: before it is heard',
  'deploy: after the voucher is accepted',
  'deploy: after the version is live',
  'fund: after the balance has it',
  'top up: after the deposit is made',
  'charge: after it is taken',
  'charge: after it is to be sent',
  'charge: after it is sent',
  'charge: before it is heard',
  'fund by charge: after it is credited',
  'close: after it is frozen',
  'close: after the channel is closed',
  // And once before it, so that there is something to settle at the next start.
  'settle: after the voucher is taken',
]

test.each(process.env.ALL ? steps.map((it) => it.name) : wanted)(
  'kill -9, %s',
  async (name) => {
    await market.killAt(steps.find((it) => it.name === name) as Step)
  },
  120_000,
)

test('while the chain is away sessions go on, and what needs it is told to come again', async () => {
  const { ada, bob, buyers } = market
  const newcomer = await newBuyer(cloud, 'newcomer', 'wallet')
  buyers.push(newcomer)
  await buy(cloud, ada, execution())
  const [once, first] = [execution(), execution()]
  cloud.gates.chain.away = true
  try {
    for (let i = 0; i < 3; i++) await buy(cloud, ada, execution())
    await expect(bob.ask(once)).rejects.toMatchObject({ cause: { code: 'unavailable' } })
    await expect(newcomer.ask(first)).rejects.toMatchObject({ cause: { code: 'unavailable' } })
  } finally {
    cloud.gates.chain.away = false
  }
  await buy(cloud, bob, once)
  await buy(cloud, newcomer, first)
}, 60_000)

test('while the database is away nobody is asked to pay again, and then everything goes on', async () => {
  const { ada, bob } = market
  const [one, other] = [execution(), execution()]
  cloud.gates.database.away = true
  try {
    for (const asked of [ada.ask(one), bob.ask(other)])
      await expect(asked).rejects.toMatchObject({ cause: { code: 'unavailable', status: 503 } })
  } finally {
    cloud.gates.database.away = false
  }
  await buy(cloud, ada, one)
  await buy(cloud, bob, other)
}, 60_000)

test('nobody paid for what was not delivered, and nothing delivered is unpaid beyond what was in flight', async () => {
  await comeToRest(market)
  const reckoning = await reckon(market)
  console.log(report(market, reckoning))
  expect(reckoning.wrong).toEqual([])
}, 120_000)
