import {
  createJack,
  JackError,
  type JackOptions,
  type Payment,
  type PaymentReceipt,
} from '@jackcloud/sdk'
import { expect, test } from 'vitest'
import { newWallet, testChain } from '../localnet/testing.ts'
import { paidServer } from './paidServer.ts'

const chain = testChain()
const code = 'export const run = (n) => n'

/** A client with a new wallet, and what it was told. */
async function payer(url: string, options: Partial<JackOptions> = {}, microUsd?: bigint) {
  const { rpcUrl } = await chain()
  const account = options.account ?? (await newWallet(await chain(), microUsd))
  const payments: Payment[] = []
  const receipts: PaymentReceipt[] = []
  const jack = createJack({
    url,
    account,
    rpcUrl,
    onPayment: (it) => payments.push(it),
    onReceipt: (it) => receipts.push(it),
    ...options,
  })
  const spent = async () => (await jack.wallet?.spent())?.totalUsd
  return { jack, account, payments, receipts, spent, how: () => payments.map((it) => it.how) }
}

const failing = async (work: Promise<unknown>): Promise<JackError> => {
  const error = await work.then(
    () => undefined,
    (it) => it,
  )
  expect(error).toBeInstanceOf(JackError)
  return error as JackError
}

test('the first call opens a session, the next ones are paid by vouchers', async () => {
  await using server = await paidServer(await chain())
  const { jack, payments, receipts, how, spent } = await payer(server.url)
  for (let n = 0; n < 3; n++) {
    expect(await jack.execute({ code, input: n })).toMatchObject({ result: n })
  }
  expect(how()).toEqual(['open', 'voucher', 'voucher'])
  const [session] = (await jack.wallet?.sessions()) ?? []
  expect(payments[0]).toEqual({
    how: 'open',
    resource: 'POST /execute',
    amountUsd: '0.010000',
    depositUsd: '5.000000',
    recipient: server.payee,
    chainId: 1337,
  })
  expect(payments[1]).toMatchObject({ sessionId: session?.sessionId, amountUsd: '0.010000' })
  expect(receipts.map((it) => [it.how, it.chargedUsd, it.leftUsd])).toEqual([
    ['session', '0.010000', '4.990000'],
    ['session', '0.010000', '4.980000'],
    ['session', '0.010000', '4.970000'],
  ])
  expect(receipts[0]?.transaction).toMatch(/^0x[0-9a-f]{64}$/)
  expect(session).toMatchObject({
    cloud: server.url,
    depositUsd: '5.000000',
    signedUsd: '0.030000',
  })
  expect(await spent()).toBe('0.030000')

  const before = await server.income()
  await server.close(session?.sessionId as string)
  const gas = 10_000n
  expect((await server.income()) - before).toBeGreaterThan(30_000n - gas)
})

test('a charge is one transfer, and nothing else is ever signed', async () => {
  await using server = await paidServer(await chain())
  const before = await server.income()
  const { jack, how, receipts, spent } = await payer(server.url, { pay: 'charge' })
  await jack.deploy({ files: {} })
  expect(how()).toEqual(['charge'])
  expect(receipts).toMatchObject([{ how: 'charge', chargedUsd: '0.100000' }])
  expect(receipts[0]?.transaction).toMatch(/^0x/)
  expect((await server.income()) - before).toBe(100_000n)
  expect(await spent()).toBe('0.100000')
})

test('a wallet that may not pay in the way that is offered signs nothing', async () => {
  await using server = await paidServer(await chain(), { offers: ['charge'] })
  const { jack, payments } = await payer(server.url, { pay: 'session' })
  const error = await failing(jack.execute({ code }))
  expect(error.code).toBe('payment_required')
  expect(payments).toEqual([])
  expect(server.seen.filter((it) => it.action)).toEqual([])
})

test('who asks is proven for nothing, whatever the limits', async () => {
  await using server = await paidServer(await chain())
  const limits = { perCallUsd: '0', perDayUsd: '0', totalUsd: '0' }
  const { jack, payments } = await payer(server.url, { pay: 'session', spending: limits }, 0n)
  expect(await jack.me()).toMatchObject({ account_id: 'acc_1' })
  expect(payments).toEqual([])
  expect(server.paid('proof')).toHaveLength(1)
})

test('a limit that is hit is an error with its numbers, and nothing was signed', async () => {
  await using server = await paidServer(await chain())
  const day = await payer(server.url, { spending: { perDayUsd: '0.06', perCallUsd: '0.05' } })
  await day.jack.deploy({ files: {} })
  await day.jack.execute({ code })
  expect(await failing(day.jack.execute({ code }))).toMatchObject({
    code: 'spending_limit',
    fields: {
      limit: 'perDayUsd',
      limit_usd: '0.060000',
      spent_usd: '0.060000',
      needed_usd: '0.010000',
    },
  })
  expect((await failing(day.jack.addBalance({ amount_usd: '3' }))).fields.limit).toBe('perCallUsd')
  expect(server.seen.filter((it) => it.action && it.action !== 'proof')).toHaveLength(2)

  const life = await payer(server.url, { spending: { totalUsd: '0.10' }, pay: 'charge' })
  await life.jack.deploy({ files: {} })
  expect((await failing(life.jack.execute({ code }))).fields.limit).toBe('totalUsd')
  expect(server.paid('charge')).toHaveLength(1)
})

test('no more goes into a session than could ever be spent', async () => {
  await using server = await paidServer(await chain())
  const { jack, payments } = await payer(server.url, { spending: { totalUsd: '0.5' } })
  await jack.execute({ code })
  expect(payments[0]?.depositUsd).toBe('0.500000')
  const small = await payer(server.url, { maxDepositUsd: '2' })
  await small.jack.execute({ code })
  expect(small.payments[0]?.depositUsd).toBe('2.000000')
  const error = await failing(small.jack.addBalance({ amount_usd: '3' }))
  expect(error).toMatchObject({ code: 'spending_limit', fields: { limit: 'maxDepositUsd' } })
  const rich = await payer(server.url, {})
  await rich.jack.addBalance({ amount_usd: '12' })
  expect(rich.payments[0]?.depositUsd).toBe('12.000000')
  const poor = await payer(server.url, {}, 1_000_000n)
  await poor.jack.execute({ code })
  expect(poor.payments[0]?.depositUsd).toBe('0.950000')
})

test('a wallet without money says so, with its address', async () => {
  await using server = await paidServer(await chain())
  const { jack, account, payments, spent } = await payer(server.url, {}, 0n)
  const error = await failing(jack.execute({ code }))
  expect(error.code).toBe('insufficient_balance')
  expect(error.fields).toMatchObject({ balance_usd: '0.000000' })
  expect(error.message).toContain((account as { address: string }).address)
  expect(payments).toEqual([])
  expect(await spent()).toBe('0.000000')
})

test('who is told of a payment may refuse it, and then it is not made', async () => {
  await using server = await paidServer(await chain())
  let refuse = true
  const { jack, spent } = await payer(server.url, {
    onPayment: async () => {
      if (refuse) throw new Error('not today')
    },
  })
  await expect(jack.execute({ code })).rejects.toThrow('not today')
  expect(server.paid('open')).toEqual([])
  expect(await spent()).toBe('0.000000')
  refuse = false
  await jack.execute({ code })
  refuse = true
  await expect(jack.execute({ code })).rejects.toThrow('not today')
  refuse = false
  await jack.execute({ code })
  expect(await spent()).toBe('0.020000')
  // What was handed out and refused pays for the next: one micro-dollar is what sets the two apart.
  expect(server.seen.at(-1)?.cumulative).toBe(20_001n)
})

test('a session that is used up is added to, as far as it may be', async () => {
  await using server = await paidServer(await chain())
  const { jack, how, payments, spent } = await payer(server.url)
  await jack.addBalance({ amount_usd: '3' })
  await jack.addBalance({ amount_usd: '3' })
  expect(how()).toEqual(['open', 'topUp', 'voucher'])
  expect(payments[1]).toMatchObject({ amountUsd: '0.000000', depositUsd: '5.000000' })
  const [session] = (await jack.wallet?.sessions()) ?? []
  expect(session).toMatchObject({ depositUsd: '10.000000', signedUsd: '6.000000' })
  expect(await spent()).toBe('6.000000')
})

test('a wallet that has little adds what it has', async () => {
  await using server = await paidServer(await chain())
  const { jack, payments } = await payer(server.url, {}, 8_000_000n)
  await jack.addBalance({ amount_usd: '3' })
  await jack.addBalance({ amount_usd: '2.5' })
  const added = Number(payments[1]?.depositUsd)
  expect(added).toBeGreaterThan(2.8)
  expect(added).toBeLessThan(2.95)
  expect((await failing(jack.addBalance({ amount_usd: '5' }))).code).toBe('insufficient_balance')
})

test('an addition that nobody answers is made once, when it is tried again', async () => {
  await using server = await paidServer(await chain())
  let isAway = false
  const { jack, spent } = await payer(server.url, {
    fetch: (input, init) => {
      if (isAway && init.method === 'POST' && !init.body) throw new TypeError('fetch failed')
      return fetch(input, init)
    },
  })
  await jack.addBalance({ amount_usd: '3' })
  isAway = true
  expect(await failing(jack.addBalance({ amount_usd: '3' }))).toMatchObject({ code: 'network' })
  expect(await spent()).toBe('3.000000')
  isAway = false
  await jack.addBalance({ amount_usd: '3' })
  expect(await jack.wallet?.sessions()).toMatchObject([{ depositUsd: '10.000000' }])
  expect(await spent()).toBe('6.000000')
})

test.each(['closed', 'forgotten'] as const)(
  'a session that was %s by the server is opened anew',
  async (how) => {
    await using server = await paidServer(await chain())
    const { jack, payments, spent } = await payer(server.url)
    await jack.execute({ code })
    const [first] = (await jack.wallet?.sessions()) ?? []
    const id = first?.sessionId as string
    await (how === 'closed' ? server.close(id) : server.forget(id))
    expect(await jack.execute({ code, input: 7 })).toMatchObject({ result: 7 })
    expect(payments.map((it) => it.how)).toEqual(['open', 'voucher', 'open'])
    // A voucher of a channel that is open on chain could still be taken.
    expect(await spent()).toBe(how === 'closed' ? '0.020000' : '0.030000')
    const sessions = await jack.wallet?.sessions()
    expect(sessions?.map((it) => it.sessionId === id)).toEqual([false])
  },
)

test('calls at once share one session, and each has a voucher of its own', async () => {
  await using server = await paidServer(await chain())
  const { jack, how, spent } = await payer(server.url)
  const inputs = Array.from({ length: 20 }, (_, n) => n)
  const answers = await Promise.all(inputs.map((input) => jack.execute({ code, input })))
  expect(answers.map((it) => it.result)).toEqual(inputs)
  expect(how().filter((it) => it === 'open')).toHaveLength(1)
  const signed = server.seen.filter((it) => it.status === 200).map((it) => it.cumulative)
  expect(new Set(signed).size).toBe(20)
  expect(await spent()).toBe('0.200000')
  const [session] = (await jack.wallet?.sessions()) ?? []
  expect(session?.signedUsd).toBe('0.200000')
})

test('a wallet that remembers nothing goes on with the session that the server remembers', async () => {
  await using server = await paidServer(await chain())
  const first = await payer(server.url)
  await first.jack.execute({ code })
  const second = await payer(server.url, { account: first.account })
  await second.jack.execute({ code })
  expect(second.how()).toEqual(['voucher'])
  // The first one does not know what the second one signed, learns it, and goes on.
  await first.jack.execute({ code })
  await second.jack.execute({ code })
  const [a] = (await first.jack.wallet?.sessions()) ?? []
  const [b] = (await second.jack.wallet?.sessions()) ?? []
  expect(a?.sessionId).toBe(b?.sessionId)
  expect((await server.channel(a?.sessionId as string)).spent).toBe(40_000n)
})

test.each(['open', 'voucher', 'charge'])(
  'an answer that is lost after a %s is paid for once',
  async (how) => {
    await using server = await paidServer(await chain(), {
      faults: { hangUp: (it, count) => (it.action === how && count === 1 ? 'after' : undefined) },
    })
    const { jack, spent, receipts } = await payer(
      server.url,
      how === 'charge' ? { pay: 'charge' } : {},
    )
    if (how === 'voucher') await jack.execute({ code })
    expect(await jack.execute({ code, input: 5 })).toMatchObject({ result: 5 })
    const sent = server.paid(how).slice(0, 2)
    expect(new Set(sent.map((it) => it.challengeId)).size).toBe(1)
    expect(await spent()).toBe(how === 'voucher' ? '0.020000' : '0.010000')
    expect(receipts.at(-1)?.chargedUsd).toBe('0.010000')
  },
)

test('an answer to a top-up that is lost is looked up on the chain, and nothing is added twice', async () => {
  await using server = await paidServer(await chain(), {
    // The first one brings a challenge of its own.
    faults: { hangUp: (it, count) => (it.action === 'topUp' && count === 2 ? 'after' : undefined) },
  })
  const { jack, how } = await payer(server.url)
  await jack.addBalance({ amount_usd: '3' })
  await jack.addBalance({ amount_usd: '3' })
  expect(how()).toEqual(['open', 'topUp', 'voucher'])
  expect(await jack.wallet?.sessions()).toMatchObject([{ depositUsd: '10.000000' }])
})

test('a top-up that a server refuses costs nothing, and does not stand in the way', async () => {
  let refuse = true
  await using server = await paidServer(await chain(), {
    faults: { hangUp: (it) => (it.action === 'topUp' && refuse ? 'before' : undefined) },
  })
  const { jack, spent } = await payer(server.url)
  await jack.addBalance({ amount_usd: '3' })
  const error = await failing(jack.addBalance({ amount_usd: '3' }))
  expect(error.message).toContain('could not be added')
  expect(await spent()).toBe('3.000000')
  await jack.addBalance({ amount_usd: '1' })
  refuse = false
  await jack.addBalance({ amount_usd: '3' })
  expect(await spent()).toBe('7.000000')
})

test('after a transfer nothing more is paid, whatever the server says', async () => {
  await using server = await paidServer(await chain(), {
    faults: { work: () => undefined, refuseAfter: (it) => it.action === 'charge' },
  })
  const { jack, spent } = await payer(server.url, { pay: 'charge' })
  const error = await failing(jack.execute({ code }))
  expect(error.code).toBe('payment_required')
  expect(error.hint).toContain('nothing more is paid')
  expect(server.paid('charge')).toHaveLength(1)
  expect(await spent()).toBe('0.010000')
})

test('a session pays again at most once when the server asks again, and counts nothing that it refused', async () => {
  await using server = await paidServer(await chain(), {
    faults: { refuseAfter: (it) => it.action === 'voucher' },
  })
  const { jack, spent } = await payer(server.url)
  await jack.execute({ code })
  expect((await failing(jack.execute({ code }))).code).toBe('payment_required')
  expect(server.paid('voucher')).toHaveLength(2)
  expect(await spent()).toBe('0.010000')
})

test('what is not delivered is not counted, and what was signed for it pays for the next', async () => {
  const problem = (status: number, fields: object) =>
    Response.json(
      { type: 'urn:jack:problem:x', detail: 'It failed.', status, ...fields },
      { status, headers: { 'content-type': 'application/problem+json' } },
    )
  let work: Response | undefined
  await using server = await paidServer(await chain(), { faults: { work: () => work?.clone() } })
  const { jack, spent, receipts } = await payer(server.url)
  await jack.execute({ code })
  work = problem(422, { code: 'execution_failed', charged_usd: '0.010000' })
  await failing(jack.execute({ code }))
  expect(await spent()).toBe('0.020000')
  expect(receipts.at(-1)?.chargedUsd).toBe('0.010000')
  work = problem(502, { code: 'deploy_failed' })
  await failing(jack.deploy({ files: {} }))
  expect(await spent()).toBe('0.020000')
  work = Response.json({ deduplicated: true, charged_usd: '0.000000' })
  await jack.deploy({ files: {} })
  expect(await spent()).toBe('0.020000')
  expect(receipts.at(-1)?.chargedUsd).toBe('0.000000')
  const [session] = (await jack.wallet?.sessions()) ?? []
  expect(session?.signedUsd).toBe('0.070001')
})

test('the request for payment of another server is not answered', async () => {
  await using server = await paidServer(await chain(), { realm: 'jack.example.com' })
  const { jack } = await payer(server.url)
  for (const call of [jack.me(), jack.execute({ code })]) {
    const error = await failing(call)
    expect(error.message).toContain('jack.example.com')
  }
  expect(server.seen.filter((it) => it.action)).toEqual([])
})

test('a private key is as good as an account, and no error repeats it', async () => {
  await using server = await paidServer(await chain())
  const { jack } = await payer(server.url, { account: { privateKey: `0x${'1'.repeat(64)}` } })
  expect(await jack.me()).toMatchObject({ account_id: 'acc_1' })
  expect(await jack.wallet?.address()).toBe('0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A')
  const wrong = `0x${'ab'.repeat(20)}zz` as const
  const error = await failing(createJack({ url: server.url, account: { privateKey: wrong } }).me())
  expect(error.code).toBe('usage')
  expect(JSON.stringify(error) + String(error.stack)).not.toContain('abab')
})

test('money that waits in another chain or token is not touched', async () => {
  await using server = await paidServer(await chain())
  const { jack } = await payer(server.url, { chainId: 42431 })
  const error = await failing(jack.execute({ code }))
  expect(error.message).toContain('chain 1337')
  expect(server.seen.filter((it) => it.action)).toEqual([])
})
