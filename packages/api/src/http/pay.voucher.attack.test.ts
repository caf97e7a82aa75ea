import { describe, expect, test } from 'vitest'
import { newWallet } from '../payments/localnet/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'
import { requestClose } from '../testing/handmade.ts'
import { closeSession } from '../verbs/close-session.ts'
import { settleSessions } from '../verbs/settle-sessions.ts'
import { watchSessions } from '../verbs/watch-sessions.ts'

// What might be tried with vouchers: signed promises of a channel, of which the chain publishes some.

const us = underAttack()
const other = { ...program, input: 4 }

describe('a credential', () => {
  test('is answered with what was answered first, and pays nothing else', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    const paid = await us.http.pay('POST', '/execute', program, ({ session }) =>
      it.promise(session, channel, 20_000n),
    )
    expect(paid.json.result).toBe(42)
    // As if a parallel request had signed for more, and failed.
    await us.http.pay('POST', '/execute', '', ({ session }) =>
      it.promise(session, channel, 500_000n),
    )
    const authorization = paid.credential
    const again = await us.http.send('POST', '/execute', program, { authorization })
    expect(again.json).toEqual(paid.json)
    expect(again.headers['payment-receipt']).toBe(paid.headers['payment-receipt'])
    expect(again.headers['idempotent-replayed']).toBe('true')

    const tried = [
      await us.http.send('POST', '/execute', other, { authorization }),
      await us.http.send('POST', '/execute?x=1', program, { authorization }),
      await us.http.send('POST', '/execute/', program, { authorization }),
      await us.http.send('POST', '//execute', program, { authorization }),
      await us.http.send('POST', '/%65xecute', program, { authorization }),
      await us.http.send('POST', '/deploy', program, { authorization }),
      await us.http.send('POST', '/v1/balance', { amount_usd: '0.01' }, { authorization }),
      await us.http.send('GET', '/v1/projects', undefined, { authorization }),
      await us.http.send('GET', '/v1/balance', undefined, { authorization }),
      await us.http.send('HEAD', '/execute', undefined, { authorization }),
      await us.http.send(
        'POST',
        '/v1/tokens',
        { name: 'mine', scopes: ['admin'] },
        { authorization },
      ),
    ]
    expect(tried.filter(({ status }) => status < 400)).toEqual([])
    const keyed = await us.http.send('POST', '/execute', program, {
      authorization,
      'idempotency-key': 'fresh',
    })
    expect(outcomeOf(keyed)).toBe('invalid-challenge')
    await us.settled()
    expect((await us.session(channel)).committedMicroUsd).toBe(20_000n)
  })

  test('that is sent 150 times at once, half of it under other keys, pays once', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    await us.http.pay('POST', '/execute', '', ({ session }) =>
      it.promise(session, channel, 3_000_000n),
    )
    const { session } = await us.http.ask('POST', '/execute', program)
    const authorization = await it.promise(session, channel, 3_010_000n)
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, i) =>
        us.http.send('POST', '/execute', program, {
          authorization,
          ...(i % 2 && { 'idempotency-key': `k${i}` }),
        }),
      ),
    )
    const fresh = answers.filter((it) => it.status === 200 && !it.headers['idempotent-replayed'])
    expect(fresh).toHaveLength(1)
    await us.settled()
    expect((await us.session(channel)).committedMicroUsd).toBe(20_000n)
  })

  test('of an opening pays once too, 100 times at once, and loses no channel', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(session)
    const authorization = await it.open(session, channel)
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        us.http.send('POST', '/execute', program, { authorization, 'idempotency-key': `o${i}` }),
      ),
    )
    expect(answers.filter((it) => it.status === 200)).toHaveLength(1)
    await us.settled()
    expect(await us.session(channel)).toMatchObject({ status: 'open', committedMicroUsd: 10_000n })
    const more = await us.http.pay('POST', '/execute', program, ({ session }) =>
      it.promise(session, channel, 20_000n),
    )
    expect(more.status).toBe(200)
  })

  test('of openings of one channel for many challenges loses no channel either', async () => {
    const it = await us.wallet()
    const first = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(first.session)
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        us.http.pay('POST', '/execute', program, ({ session }) => it.open(session, channel)),
      ),
    )
    expect(answers.filter((it) => it.status === 200)).toHaveLength(1)
    await us.settled()
    expect(await us.session(channel)).toMatchObject({ status: 'open', committedMicroUsd: 10_000n })
  })
})

describe('a voucher that everybody can read on chain', () => {
  /** A session of which the first voucher was settled, and that has something left of what was signed for. */
  async function published() {
    const victim = await us.wallet()
    const channel = await us.open(victim)
    const made = await us.http.pay('POST', '/deploy', app('mine'), ({ session }) =>
      victim.promise(session, channel, 60_000n),
    )
    expect(made.status).toBe(201)
    await us.http.pay('POST', '/execute', '', ({ session }) =>
      victim.promise(session, channel, 400_000n),
    )
    await us.settled()
    const { jack } = us.cloud
    await settleSessions({ ...jack, config: { ...jack.config, settleAboveMicroUsd: 1n } })
    const { settledMicroUsd, signature } = await us.session(channel)
    expect(settledMicroUsd).toBe(60_000n)
    return { victim, channel, signature, url: made.json.url }
  }
  const app = (name: string, text = name) => ({
    name,
    files: { 'index.js': `export default { fetch: () => new Response("${text}") }` },
  })

  test('pays nothing, deploys nothing, tells nothing, and closes nothing', async () => {
    const { victim, channel, url } = await published()
    const steal = async (
      cumulative: bigint,
      method: string,
      path: string,
      body: unknown,
      how = 'voucher',
    ) =>
      us.http.pay(method, path, body, ({ session }) =>
        victim.promise(session, channel, cumulative, how as 'voucher'),
      )
    const before = await us.session(channel)
    for (const cumulative of [10_000n, 60_000n]) {
      const tried = [
        await steal(cumulative, 'POST', '/execute', program),
        await steal(cumulative, 'POST', '/deploy', app('mine', 'stolen')),
        await steal(cumulative, 'POST', '/deploy', app('mine')),
        await steal(cumulative, 'POST', '/deploy', app('new')),
        await steal(cumulative, 'POST', '/v1/balance', { amount_usd: '0.1' }),
        await steal(cumulative, 'POST', '/execute', ''),
        await steal(cumulative, 'POST', '/execute', '', 'close'),
      ]
      expect(tried.map(outcomeOf).filter((it) => typeof it === 'number')).toEqual([])
      expect(tried.filter((it) => it.headers['payment-receipt'])).toEqual([])
      expect(tried.some((it) => it.text.includes('mine'))).toBe(false)
    }
    await us.settled()
    const after = await us.session(channel)
    expect(after).toEqual({ ...before, usedAt: after.usedAt })
    expect((await us.cloud.live(url)).text).toBe('mine')
  })
})

describe('a voucher', () => {
  test('that paid is used up, and one that paid for nothing delivered is not', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    const pay = (body: unknown, cumulative: bigint) =>
      us.http.pay('POST', '/execute', body, ({ session }) =>
        it.promise(session, channel, cumulative),
      )
    expect((await pay({ code: 'export const run = (' }, 20_000n)).status).toBe(422)
    expect((await pay(program, 20_000n)).status).toBe(200)
    await pay('', 900_000n)
    expect(outcomeOf(await pay(program, 20_000n))).toBe('invalid-challenge')
    expect(outcomeOf(await pay(program, 10_000n))).toBe('invalid-challenge')
    // Requests overtake each other: one that was signed before comes after.
    expect((await pay(program, 50_000n)).status).toBe(200)
    expect((await pay(program, 40_000n)).status).toBe(200)
    const fund = await us.http.pay('POST', '/v1/balance', { amount_usd: '0.1' }, ({ session }) =>
      it.promise(session, channel, 950_000n),
    )
    expect(fund.status).toBe(200)
    expect(outcomeOf(await pay(program, 950_000n))).toBe('invalid-challenge')
    await us.settled()
    expect((await us.session(channel)).committedMicroUsd).toBe(140_000n)
  })

  test('of another channel, another key or another amount than its signature is of is refused', async () => {
    const [a, b] = [await us.wallet(), await us.wallet()]
    const [mine, theirs] = [await us.open(a), await us.open(b)]
    const { session } = await us.http.ask('POST', '/execute', program)
    const forged = [
      {
        channelId: theirs.id,
        cumulativeAmount: '20000',
        signature: await a.voucher(mine.id, 20_000n),
      },
      {
        channelId: theirs.id,
        cumulativeAmount: '20000',
        signature: await a.voucher(theirs.id, 20_000n),
      },
      {
        channelId: mine.id,
        cumulativeAmount: '5000000',
        signature: await a.voucher(mine.id, 20_000n),
      },
      { channelId: mine.id, cumulativeAmount: '20000', signature: `0x${'00'.repeat(65)}` },
      { channelId: mine.id, cumulativeAmount: '20000', signature: `0x${'ff'.repeat(65)}` },
      {
        channelId: mine.id,
        cumulativeAmount: '20000',
        signature: await a.voucher(mine.id, 20_000n, await newWallet(await us.chain(), 0n)),
      },
      {
        channelId: mine.id,
        descriptor: theirs.descriptor,
        cumulativeAmount: '20000',
        signature: await a.voucher(mine.id, 20_000n),
      },
      {
        channelId: `0x${'12'.repeat(32)}`,
        cumulativeAmount: '1',
        signature: await a.voucher(mine.id, 1n),
      },
    ]
    for (const payload of forged) {
      const authorization = a.credential(session, { action: 'voucher', ...payload })
      const answer = await us.http.send('POST', '/execute', program, { authorization })
      expect([402, 410]).toContain(answer.status)
      expect(answer.headers['payment-receipt']).toBe(undefined)
    }
    await us.settled()
    for (const it of [mine, theirs])
      expect(await us.session(it)).toMatchObject({
        authorizedMicroUsd: 10_000n,
        committedMicroUsd: 10_000n,
      })
  })

  test('is never for more than the deposit, nor for what is no number', async () => {
    const it = await us.wallet()
    const channel = await us.open(it, 100_000n)
    const over = [100_001n, 10n ** 15n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 96n - 1n]
    const { session } = await us.http.ask('POST', '/execute', program)
    for (const cumulative of over) {
      const authorization = await it.promise(session, channel, cumulative)
      expect((await us.http.send('POST', '/execute', program, { authorization })).status).toBe(402)
    }
    const signature = await it.voucher(channel.id, 20_000n)
    const odd = [
      '-20000',
      '+20000',
      '2e4',
      '20000.0',
      ' 20000',
      '0x4e20',
      'NaN',
      'Infinity',
      '',
      '٢٠٠٠٠',
      20_000,
      2e4,
      null,
      true,
      ['20000'],
      { toString: '20000' },
    ]
    for (const cumulativeAmount of odd) {
      const payload = { action: 'voucher', channelId: channel.id, cumulativeAmount, signature }
      const authorization = it.credential(session, payload)
      const answer = await us.http.send('POST', '/execute', program, { authorization })
      expect([cumulativeAmount, outcomeOf(answer)]).toEqual([
        cumulativeAmount,
        'malformed-credential',
      ])
    }
    expect(await us.session(channel)).toMatchObject({ authorizedMicroUsd: 10_000n })
  })

  test('for less than the price pays only out of what was signed for before', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    for (const cumulative of [0n, 1n, 9_999n, 19_999n]) {
      const answer = await us.http.pay('POST', '/execute', program, ({ session }) =>
        it.promise(session, channel, cumulative),
      )
      expect(outcomeOf(answer)).toMatch(/insufficient-balance|invalid-challenge/)
    }
  })

  test('is not taken any more once its payer asked the chain for his money', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    const { jack } = us.cloud
    const payments = jack.payments as Payments
    expect((await payments.channels([channel.id]))[0]?.closeRequestedAt).toBe(null)
    await requestClose(await us.chain(), it, channel)
    await watchSessions(jack)
    const late = await us.http.pay('POST', '/execute', program, ({ session }) =>
      it.promise(session, channel, 20_000n),
    )
    expect(outcomeOf(late)).toBe('session/channel-finalized')
    expect(await us.session(channel)).toMatchObject({ status: 'closed', settledMicroUsd: 10_000n })
  })
})

describe('a top-up', () => {
  test('of a session that is closed is told so, before anything is sent to the chain', async () => {
    const payer = await us.wallet()
    const channel = await us.open(payer)
    await closeSession(us.cloud.jack, (await us.session(channel)).sessionId, 'asked')
    const answer = await us.http.pay('POST', '/execute', '', async ({ session }) =>
      payer.credential(session, {
        action: 'topUp',
        type: 'transaction',
        channelId: channel.id,
        descriptor: channel.descriptor,
        transaction: channel.transaction,
        additionalDeposit: '5000000',
      }),
    )
    expect([answer.status, outcomeOf(answer)]).toEqual([410, 'session/channel-finalized'])
  })

  test('of nothing, with anything as its transaction, does not tell what a session spent', async () => {
    const [victim, thief] = [await us.wallet(), await us.wallet()]
    const channel = await us.open(victim)
    for (const additionalDeposit of ['0', '1', '5000000']) {
      for (const transaction of ['0x00', '0x76c0', channel.transaction]) {
        const answer = await us.http.pay('POST', '/execute', '', async ({ session }) =>
          thief.credential(session, {
            action: 'topUp',
            type: 'transaction',
            channelId: channel.id,
            descriptor: channel.descriptor,
            transaction,
            additionalDeposit,
          }),
        )
        expect(answer.status).toBe(402)
        expect(answer.headers['payment-receipt']).toBe(undefined)
      }
    }
    expect((await us.session(channel)).depositMicroUsd).toBe(5_000_000n)
  })
})
