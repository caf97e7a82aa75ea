import { type Operation, type OperationName, operations } from '@jackcloud/sdk/wire'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { balanceOf } from '../payments/localnet/testing.ts'
import type { Hex } from '../Session.ts'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'
import { disguises, type Handmade, memoOf } from '../testing/handmade.ts'

// What might be tried to be taken for somebody else, and to get at what is his.

const us = underAttack()
const nobody: Hex = `0x${'ab'.repeat(20)}`
const app = (name: string) => ({
  name,
  files: { 'index.js': 'export default { fetch: () => new Response("mine") }' },
})
const prove = (who: Handmade, method: string, path: string, body?: unknown) =>
  us.http.pay(method, path, body, ({ charge }) => who.prove(charge))

describe('who signed', () => {
  for (const [how, as] of Object.entries(disguises)) {
    test(`a transaction ${how} opens nothing and pays nothing`, async () => {
      const [thief, victim] = [await us.wallet(), await us.wallet()]
      const disguise = as(victim.address)
      for (const payer of [victim.address, thief.address]) {
        const open = await us.http.pay('POST', '/execute', program, async ({ session }) =>
          thief.open(session, await thief.channel(session, { payer, disguise })),
        )
        expect(outcomeOf(open)).toBe('verification-failed')
      }
      const charge = await us.http.pay('POST', '/execute', program, ({ charge }) =>
        thief.charge(charge, { disguise, source: victim.address }),
      )
      expect(outcomeOf(charge)).toBe('verification-failed')
      expect(await us.accountOf(victim)).toBe(undefined)
    })
  }

  test('counts, and not who is named as the source', async () => {
    const [thief, victim] = [await us.wallet(), await us.wallet()]
    const channel = await us.http.ask('POST', '/execute', program)
    const opening = await thief.channel(channel.session)
    const spoofed = `did:pkh:eip155:${(await us.chain()).chainId}:${victim.address}`
    const again = async (make: () => Promise<string>) => {
      const honest = JSON.parse(Buffer.from((await make()).slice(8), 'base64url').toString())
      const said = Buffer.from(JSON.stringify({ ...honest, source: spoofed })).toString('base64url')
      return us.http.send('POST', '/execute', program, { authorization: `Payment ${said}` })
    }
    const opened = await again(() => thief.open(channel.session, opening))
    const charged = await again(async () =>
      thief.charge((await us.http.ask('POST', '/execute', program)).charge),
    )
    expect([opened.status, charged.status]).toEqual([200, 200])
    expect(await us.accountOf(victim)).toBe(undefined)
    expect(await us.accountOf(thief)).toBeDefined()
  })

  test('an opening by one wallet with the payer of another is refused', async () => {
    const [thief, victim] = [await us.wallet(), await us.wallet()]
    const answer = await us.http.pay('POST', '/execute', program, async ({ session }) =>
      thief.open(session, await thief.channel(session, { payer: victim.address })),
    )
    expect(outcomeOf(answer)).toBe('verification-failed')
  })
})

describe('an opening', () => {
  const variants: [string, (it: Handmade) => Promise<Parameters<Handmade['channel']>[1]>][] = [
    ['that pays somebody else', async () => ({ payee: nobody })],
    ['that somebody else closes', async () => ({ operator: nobody })],
    ['that nobody closes', async () => ({ operator: `0x${'00'.repeat(20)}` })],
    ['with another token', async () => ({ token: `0x20c0${'00'.repeat(17)}01` })],
    ['with a token that is none', async () => ({ token: nobody })],
    ['of nothing', async () => ({ deposit: 0n })],
    ['of less than the price', async () => ({ deposit: 9_999n })],
    ['of more money than there is', async () => ({ deposit: 2n ** 96n - 1n })],
    ['of more than the wallet has', async () => ({ deposit: 10n ** 11n })],
    ['whose vouchers somebody else signs', async () => ({ authorizedSigner: nobody })],
  ]
  for (const [what, how] of variants) {
    test(`${what} is refused, and nothing is kept of it`, async () => {
      const it = await us.wallet()
      const terms = await how(it)
      const { session } = await us.http.ask('POST', '/execute', program)
      let channel: Awaited<ReturnType<Handmade['channel']>>
      try {
        channel = await it.channel(session, terms)
      } catch {
        // The chain does not even say what that would cost: signed without asking it.
        channel = await it.channel(session, { ...terms, blind: true })
      }
      const authorization = await it.open(session, channel)
      const answer = await us.http.send('POST', '/execute', program, { authorization })
      expect(answer.status).toBe(402)
      expect(answer.headers['payment-receipt']).toBe(undefined)
      expect(await us.session(channel)).toBe(undefined)
    })
  }

  test('with a voucher for less than the price, or more than the deposit, is refused before it is sent', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(session)
    for (const cumulative of [0n, 9_999n, 5_000_001n]) {
      const authorization = await it.open(session, channel, cumulative)
      expect((await us.http.send('POST', '/execute', program, { authorization })).status).toBe(402)
    }
    expect(await balanceOf(await us.chain(), it.address)).toBe(1_000_000_000n)
  })
})

describe('a charge', () => {
  type Terms = Parameters<Handmade['charge']>[1]
  const variants: [string, (challenge: { id: string; realm: string }) => Terms][] = [
    ['of less', () => ({ amount: 9_999n })],
    ['of more', () => ({ amount: 10_001n })],
    ['of nothing', () => ({ amount: 0n })],
    ['to somebody else', () => ({ to: nobody })],
    ['with another token', () => ({ token: `0x20c0${'00'.repeat(17)}01` })],
    ['for another challenge', (it) => ({ memo: memoOf({ ...it, id: 'another' }) })],
    ['for another server', (it) => ({ memo: memoOf({ ...it, realm: 'other.example' }) })],
    ['that does not say for what', () => ({ memo: `0x${'00'.repeat(32)}` })],
    ['on another chain', () => ({ more: { chainId: 4217, gas: 500_000n } })],
    [
      'whose time is over',
      () => ({ more: { validBefore: Math.floor(Date.now() / 1000) - 5, gas: 500_000n } }),
    ],
  ]
  for (const [what, how] of variants) {
    test(`${what} is refused, and not sent`, async () => {
      const it = await us.wallet()
      const answer = await us.http.pay('POST', '/execute', program, ({ charge }) =>
        it.charge(charge, how(charge)),
      )
      expect(answer.status).toBe(402)
      expect(await balanceOf(await us.chain(), it.address)).toBe(1_000_000_000n)
    })
  }

  test('that names the transaction of another is refused', async () => {
    const it = await us.wallet()
    for (const hash of [`0x${'12'.repeat(32)}`, 'x', null]) {
      const answer = await us.http.pay('POST', '/execute', program, async ({ charge }) =>
        it.credential(charge, { type: 'hash', hash }),
      )
      expect(answer.status).toBe(402)
    }
  })
})

describe('a proof', () => {
  test('is good for one request, and only for that', async () => {
    const it = await us.wallet()
    const { charge } = await us.http.ask('GET', '/v1/projects')
    const authorization = await it.prove(charge)
    const send = (method: string, path: string, body?: unknown) =>
      us.http.send(method, path, body, { authorization })
    const elsewhere = [
      await send('GET', '/v1/projects?limit=5'),
      await send('GET', '/v1/tokens'),
      await send('POST', '/v1/projects', { name: 'x' }),
      await send('POST', '/v1/tokens', { name: 'x', scopes: ['admin'] }),
      await send('POST', '/execute', program),
      await send('POST', '/v1/balance', { amount_usd: '1' }),
    ]
    expect(elsewhere.map(outcomeOf)).toEqual(elsewhere.map(() => 'invalid-challenge'))
    const all = await Promise.all(Array.from({ length: 20 }, () => send('GET', '/v1/projects')))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('of another body makes nothing', async () => {
    const it = await us.wallet()
    const { charge } = await us.http.ask('POST', '/v1/tokens', { name: 'a', scopes: ['read'] })
    const authorization = await it.prove(charge)
    const body = { name: 'a', scopes: ['admin'] }
    const answer = await us.http.send('POST', '/v1/tokens', body, { authorization })
    expect(outcomeOf(answer)).toBe('invalid-challenge')
  })

  test('is signed by whom it names, for this server and this challenge', async () => {
    const [thief, victim] = [await us.wallet(), await us.wallet()]
    const { charge } = await us.http.ask('GET', '/v1/projects')
    const other = (await us.http.ask('GET', '/v1/projects')).charge
    const moved = async (it: typeof charge) => {
      const signed = await victim.prove(it)
      const { payload } = JSON.parse(Buffer.from(signed.slice(8), 'base64url').toString())
      return victim.credential(charge, payload)
    }
    const forged = [
      await thief.prove(charge, victim.address),
      await moved(other),
      await moved({ ...charge, realm: 'evil.example' }),
      victim.credential(charge, { type: 'proof', signature: `0x${'00'.repeat(65)}` }),
      victim.credential(charge, { type: 'proof', signature: '0x' }),
      victim.credential(charge, { type: 'transaction', signature: '0x76c0' }),
      thief.credential(charge, {
        type: 'proof',
        signature: await thief.voucher(`0x${'00'.repeat(32)}`, 0n),
      }),
    ]
    for (const authorization of forged) {
      const answer = await us.http.send('GET', '/v1/projects', undefined, { authorization })
      expect(answer.status).toBe(402)
      expect(answer.json.projects).toBe(undefined)
    }
    expect(await us.accountOf(victim)).toBe(undefined)
  })

  test('pays for nothing', async () => {
    const it = await us.wallet()
    for (const [path, body] of [
      ['/execute', program],
      ['/deploy', app('free')],
      ['/v1/balance', { amount_usd: '1' }],
    ] as const) {
      const { charge, session } = await us.http.ask('POST', path, body)
      for (const challenge of [charge, session]) {
        const authorization = await it.prove(challenge)
        expect((await us.http.send('POST', path, body, { authorization })).status).toBe(402)
      }
    }
  })
})

describe('two wallets', () => {
  test('see and touch nothing of each other, on any route', async () => {
    const [victim, thief] = [await us.wallet(), await us.wallet()]
    const channel = await us.open(victim)
    const made = await us.http.pay('POST', '/deploy', app('secret-name'), ({ session }) =>
      victim.promise(session, channel, 60_000n),
    )
    const { project_id, deployment_id, url } = made.json
    const token = await prove(victim, 'POST', '/v1/tokens', { name: 'hidden', scopes: ['read'] })
    const { sessionId } = await us.session(channel)
    await us.open(thief)
    const own = (path: string) =>
      path
        .replace(':deployment', deployment_id)
        .replace(':database', 'main')
        .replace(':token', token.json.token_id)
        .replace(':session', sessionId)
        .replace(':trust', 'tru_nobodys')
    const tried: string[] = []
    for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
      if (operation.scope === null || operation.price) continue
      for (const project of operation.path.includes(':project')
        ? [project_id, 'secret-name']
        : ['']) {
        const path = own(operation.path.replace(':project', project))
        const { method } = operation
        const body = operation.body && operation.example
        const answer = await prove(
          thief,
          method,
          name === 'readStaged' ? `${path}?path=a` : path,
          body,
        )
        tried.push(name)
        const about = `${name} ${path} ${answer.status}`
        const mayBeOwn = /Staged|stageFiles|unstageFiles/.test(name)
        if (/:(project|token|session|trust)/.test(operation.path) && !mayBeOwn)
          expect([404, 400], about).toContain(answer.status)
        for (const secret of ['hidden', token.json.token_id, sessionId, deployment_id, channel.id])
          expect(answer.json.detail?.includes(secret) ? '' : answer.text, about).not.toContain(
            secret,
          )
        // What the thief himself tried is in his own audit log.
        if (name !== 'listAudit' && !answer.text.includes('There is no'))
          expect(answer.text, about).not.toContain('secret-name')
      }
    }
    expect(new Set(tried).size).toBeGreaterThan(25)
    expect((await us.cloud.live(url)).text).toBe('mine')
    const mine = await prove(victim, 'GET', '/v1/tokens')
    expect(mine.json.tokens).toHaveLength(1)
    expect(await us.session(channel)).toMatchObject({ status: 'open', committedMicroUsd: 60_000n })
  })

  test('deploy under the same name, each to its own', async () => {
    const [victim, thief] = [await us.wallet(), await us.wallet()]
    const made = []
    for (const it of [victim, thief]) {
      const channel = await us.open(it)
      const answer = await us.http.pay('POST', '/deploy', app('same'), ({ session }) =>
        it.promise(session, channel, 60_000n),
      )
      made.push(answer.json)
    }
    expect(made[0].project_id).not.toBe(made[1].project_id)
  })

  test('fund each other, and learn nothing by it', async () => {
    const [victim, friend] = [await us.wallet(), await us.wallet()]
    const channel = await us.open(victim)
    const made = await us.http.pay('POST', '/deploy', app('poor'), ({ session }) =>
      victim.promise(session, channel, 60_000n),
    )
    const also = await us.http.pay('POST', '/deploy', app('private-name'), ({ session }) =>
      victim.promise(session, channel, 110_000n),
    )
    await sql`update project set included_micro_usd = 0 where account_id =
      (select account_id from project where project_id = ${made.json.project_id})`.execute(
      us.cloud.jack.db,
    )
    for (const { json } of [made, also])
      await expect.poll(async () => (await us.cloud.live(json.url)).status).toBe(402)
    const body = { amount_usd: '0.5', project: made.json.project_id }
    const funded = await us.http.pay('POST', '/v1/balance', body, ({ charge }) =>
      friend.charge(charge),
    )
    expect(funded.status).toBe(200)
    expect(funded.json).toEqual({ added_usd: '0.500000', resumed: ['poor'] })
    expect((await us.cloud.live(also.json.url)).status).toBe(200)
    expect((await prove(friend, 'DELETE', `/v1/projects/${made.json.project_id}`)).status).toBe(404)
    expect((await prove(friend, 'GET', `/v1/projects/${made.json.project_id}/usage`)).status).toBe(
      404,
    )
    const odd = [
      '0',
      '-1',
      '0.0',
      '-0.000001',
      '1e3',
      'NaN',
      '1e400',
      '99999999999999999999',
      '0.0000001',
      '',
      ' 1',
      '１',
      null,
      1e21,
      -5,
    ]
    for (const amount_usd of odd) {
      const answer = await us.http.send('POST', '/v1/balance', { amount_usd })
      expect([amount_usd, answer.status]).toEqual([amount_usd, 400])
    }
    for (const project of ['prj_none', 'http://nowhere.example', '../..', "' or 1=1 --"]) {
      const answer = await us.http.pay(
        'POST',
        '/v1/balance',
        { amount_usd: '1', project },
        ({ charge }) => friend.charge(charge),
      )
      expect([400, 404]).toContain(answer.status)
    }
    expect(await us.credited(friend)).toBe(0n)
  })
})
