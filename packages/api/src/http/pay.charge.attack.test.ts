import { setTimeout as sleep } from 'node:timers/promises'
import { sendRawTransactionSync } from 'viem/actions'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { balanceOf, newWallet, sendCalls, testChain } from '../payments/localnet/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import type { Hex } from '../Session.ts'
import { findByAddress } from '../store/accounts.ts'
import * as ledger from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import {
  type Asker,
  asker,
  type Handmade,
  handmade,
  memoOf,
  opened,
  transferCall,
} from '../testing/handmade.ts'
import { recoverCharges } from '../verbs/recover-charges.ts'

// What might be tried with charges: one transaction that pays for one piece of work.

const chain = testChain()
let cloud: TestCloud
let http: Asker
let payments: Payments
/** How many programs ran. */
let runs = 0

beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
  http = asker(cloud)
  payments = { ...(cloud.jack.payments as Payments) }
  const { execute } = cloud.jack.engine
  cloud.jack.engine.execute = (it) => {
    runs++
    return execute.call(cloud.jack.engine, it)
  }
})
beforeEach(() => {
  runs = 0
  Object.assign(cloud.jack.payments as Payments, payments)
})
afterAll(async () => {
  cloud.jack.captures.flush()
  await cloud.jack.background.drain()
  expect(await audit(cloud.jack.db)).toEqual([])
  await http.close()
  await cloud.close()
})

const wallet = async (microUsd?: bigint) =>
  handmade(await chain(), await newWallet(await chain(), microUsd))
const income = async () => balanceOf(await chain(), payments.chain.payee)
const program = { code: 'export const run = (n) => n * 2', input: 21 }
const execute = (who: Handmade, headers?: Record<string, string>) =>
  http.pay('POST', '/execute', program, ({ charge }) => who.charge(charge), headers)

/** What the account of a wallet has in its balance. */
async function credited({ address }: Handmade): Promise<bigint> {
  const account = await findByAddress(cloud.jack.db, address)
  return account ? (await ledger.balanceOf(cloud.jack.db, account.accountId)).availableMicroUsd : 0n
}

/** Does something when a charge was found good, and before it is sent. */
function betweenCheckAndSending(mischief: () => Promise<unknown>): void {
  const port = cloud.jack.payments as Payments
  port.validateCharge = async (charge) => {
    await payments.validateCharge(charge)
    await mischief()
  }
}

const leave = async (who: Handmade, leftMicroUsd: bigint) => {
  const net = await chain()
  const amount = (await balanceOf(net, who.address)) - leftMicroUsd
  const { status } = await sendCalls(net, who.account, [
    transferCall({ token: net.token as Hex, to: payments.chain.operator, amount }),
  ])
  expect(status).toBe('success')
}

test('a credential is paid once and done once, with whatever keys it comes, all at once', async () => {
  const it = await wallet()
  const before = await income()
  const challenge = await http.ask('POST', '/execute', program)
  const authorization = await it.charge(challenge.charge)
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      http.send('POST', '/execute', program, { authorization, 'idempotency-key': `key-${i}` }),
    ),
  )
  const statuses = answers.map((it) => it.status)
  expect(statuses.filter((it) => it === 200)).toEqual([200])
  expect(new Set(statuses)).toEqual(new Set([200, 409]))
  expect(answers.filter((it) => it.headers['www-authenticate'])).toEqual([])
  expect(runs).toBe(1)
  expect((await income()) - before).toBe(10_000n)
  expect(await credited(it)).toBe(0n)
})

test('a micro-dollar with the memo of a charge is not the charge', async () => {
  const it = await wallet(2_000_000n)
  const net = await chain()
  const { charge } = await http.ask('POST', '/v1/balance', { amount_usd: '1' })
  const authorization = await it.charge(charge)
  betweenCheckAndSending(async () => {
    const to = payments.chain.payee
    await sendCalls(net, it.account, [
      transferCall({ token: net.token as Hex, to, amount: 1n, memo: memoOf(charge) }),
    ])
    await leave(it, 100_000n)
  })
  const answer = await http.send('POST', '/v1/balance', { amount_usd: '1' }, { authorization })
  expect(answer.status).toBe(402)
  expect(await credited(it)).toBe(0n)
  const later = new Date(Date.now() + 120_000)
  await recoverCharges({ ...cloud.jack, now: () => later })
  expect(await credited(it)).toBe(0n)
})

test('a wallet that is emptied before the charge is sent gets nothing, and runs nothing', async () => {
  const it = await wallet(1_000_000n)
  betweenCheckAndSending(() => leave(it, 18_000n))
  const answer = await execute(it)
  expect(answer.status).toBe(402)
  expect(answer.headers['payment-receipt']).toBe(undefined)
  expect(runs).toBe(0)
})

test('a wallet that has the price once runs one program, however many it asks for at once', async () => {
  const it = await wallet(30_000n)
  const answers = await Promise.all(Array.from({ length: 8 }, () => execute(it)))
  expect(answers.filter((it) => it.status === 200)).toHaveLength(1)
  expect(runs).toBe(1)
})

test('whoever leaves while his program runs has paid for it', async () => {
  const it = await wallet()
  const before = await income()
  const slow = { code: 'export const run = () => new Promise((done) => setTimeout(done, 1500))' }
  const { charge } = await http.ask('POST', '/execute', slow)
  const authorization = await it.charge(charge)
  const leaving = AbortSignal.timeout(900)
  await expect(
    fetch(`${cloud.url}/execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify(slow),
      signal: leaving,
    }),
  ).rejects.toThrow()
  expect(runs).toBe(1)
  await expect.poll(income).toBe(before + 10_000n)
  expect(await credited(it)).toBe(0n)
})

test('a transaction that is on chain before it is presented pays, once', async () => {
  const it = await wallet()
  const { charge } = await http.ask('POST', '/execute', program)
  const authorization = await it.charge(charge)
  const { payload } = opened(authorization) as { payload: { signature: Hex } }
  await sendRawTransactionSync(it.client, { serializedTransaction: payload.signature })
  const before = await income()
  const answer = await http.send('POST', '/execute', program, { authorization })
  expect(answer).toMatchObject({ status: 200, json: { result: 42 } })
  expect(answer.headers['payment-receipt']).toBeTruthy()
  const other = { authorization, 'idempotency-key': 'another' }
  expect((await http.send('POST', '/execute', program, other)).status).toBe(409)
  expect(runs).toBe(1)
  expect(await income()).toBe(before)
  expect(await credited(it)).toBe(0n)
})

test('a transaction that somebody sends at the same moment pays, and nothing asks to pay again', async () => {
  for (let round = 0; round < 4; round++) {
    const it = await wallet()
    const before = await income()
    const { charge } = await http.ask('POST', '/execute', program)
    const authorization = await it.charge(charge)
    const { payload } = opened(authorization) as { payload: { signature: Hex } }
    const [answer] = await Promise.all([
      http.send('POST', '/execute', program, { authorization }),
      sleep(round * 15).then(() =>
        sendRawTransactionSync(it.client, { serializedTransaction: payload.signature }).catch(
          () => {},
        ),
      ),
    ])
    expect(answer.headers['www-authenticate']).toBe(undefined)
    if (answer.status !== 200) {
      const again = await http.send('POST', '/execute', program, { authorization })
      expect(again).toMatchObject({ status: 200, json: { result: 42 } })
    }
    expect((await income()) - before).toBe(10_000n)
    expect(await credited(it)).toBe(0n)
  }
})
