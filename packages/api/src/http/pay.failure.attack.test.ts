import { setTimeout as sleep } from 'node:timers/promises'
import { sendRawTransactionSync } from 'viem/actions'
import { beforeEach, describe, expect, test } from 'vitest'
import { JackError } from '../Errors.ts'
import { balanceOf } from '../payments/localnet/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'
import { type Handmade, requestClose } from '../testing/handmade.ts'
import { closeSession } from '../verbs/close-session.ts'
import { recoverCharges } from '../verbs/recover-charges.ts'

// Whatever breaks after money moved: nobody is asked to pay again, and nothing is paid that was not delivered.

const us = underAttack()
let whole: { payments: Payments; execute: typeof us.cloud.jack.engine.execute }
beforeEach(() => {
  const { jack } = us.cloud
  whole ??= {
    payments: { ...(jack.payments as Payments) },
    execute: jack.engine.execute.bind(jack.engine),
  }
  Object.assign(jack.payments as Payments, whole.payments)
  jack.engine.execute = whole.execute
})
const income = async () => balanceOf(await us.chain(), whole.payments.chain.payee)
const app = (name: string) => ({
  name,
  files: { 'index.js': 'export default { fetch: () => new Response("up") }' },
})

/** Lets the first call of one of the port's functions end otherwise. */
function once<K extends keyof Payments>(
  name: K,
  instead: (real: () => Promise<unknown>) => Promise<unknown>,
): void {
  const port = us.cloud.jack.payments as unknown as Record<string, unknown>
  const real = whole.payments[name] as (...args: unknown[]) => Promise<unknown>
  port[name] = (...args: unknown[]) => {
    port[name] = real
    return instead(() => real(...args))
  }
}

describe('a charge that was paid', () => {
  const hangUp = async (real: () => Promise<unknown>) => {
    await real()
    throw new Error('socket hang up')
  }
  const noRoom = () => {
    const { engine } = us.cloud.jack
    engine.execute = () => {
      engine.execute = whole.execute
      throw new JackError('unavailable', 'There is no room.')
    }
  }
  const databaseGone = () => {
    const { db } = us.cloud.jack
    const real = db.transaction.bind(db)
    db.transaction = () => {
      // Work at intervals has transactions of its own.
      if (!new Error().stack?.includes('collectCharge')) return real()
      db.transaction = real
      throw Object.assign(new Error('terminating connection'), { code: '57P01' })
    }
  }
  const failures: [string, () => void][] = [
    ['whose answer from the chain got lost', () => once('sendCharge', hangUp)],
    [
      'whose answer got lost, and the chain is not found either',
      () => {
        once('sendCharge', hangUp)
        once('findCharge', () => Promise.reject(new Error('no route to host')))
      },
    ],
    ['for a program that there is no room for', noRoom],
    ['that can not be written down', databaseGone],
  ]
  for (const [what, fail] of failures) {
    test(`${what} asks for nothing more, and pays for the next try`, async () => {
      const it = await us.wallet()
      const before = await income()
      const { charge } = await us.http.ask('POST', '/execute', program)
      const authorization = await it.charge(charge)
      const send = () => us.http.send('POST', '/execute', program, { authorization })
      fail()
      const failed = await send()
      expect(failed.status).toBeGreaterThanOrEqual(500)
      expect(failed.headers['www-authenticate']).toBe(undefined)
      expect(failed.headers['payment-receipt']).toBe(undefined)
      let answer = await send()
      for (let tries = 0; answer.status >= 500 && tries < 2; tries++) answer = await send()
      expect(answer).toMatchObject({ status: 200, json: { result: 42 } })
      expect(answer.headers['payment-receipt']).toBeTruthy()
      expect((await send()).headers['idempotent-replayed']).toBe('true')
      await us.settled()
      expect((await income()) - before).toBe(10_000n)
      expect(await us.credited(it)).toBe(0n)
    })

    test(`${what} is in the balance if nobody tries again`, async () => {
      const it = await us.wallet()
      const before = await income()
      fail()
      await us.http.pay('POST', '/execute', program, ({ charge }) => it.charge(charge))
      const later = new Date(Date.now() + 70_000)
      for (let i = 0; i < 2; i++) await recoverCharges({ ...us.cloud.jack, now: () => later })
      expect((await income()) - before).toBe(10_000n)
      expect(await us.credited(it)).toBe(10_000n)
    })
  }

  test('for a program without room, and is not found on chain the next time, pays for the one after', async () => {
    const it = await us.wallet()
    const before = await income()
    const { charge } = await us.http.ask('POST', '/execute', program)
    const authorization = await it.charge(charge)
    const send = () => us.http.send('POST', '/execute', program, { authorization })
    noRoom()
    expect((await send()).status).toBe(503)
    once('findCharge', () => Promise.reject(new JackError('unavailable', 'No route to host.')))
    expect((await send()).status).toBe(503)
    expect(await send()).toMatchObject({ status: 200, json: { result: 42 } })
    await us.settled()
    expect((await income()) - before).toBe(10_000n)
    expect(await us.credited(it)).toBe(0n)
  })

  test('for a program that fails is paid, and told as often as it is asked for', async () => {
    const it = await us.wallet()
    for (const code of [
      'export const run = () => { throw new Error("no") }',
      'export const run = () => { for (;;); }',
    ]) {
      const before = await income()
      const { charge } = await us.http.ask('POST', '/execute', { code })
      const authorization = await it.charge(charge)
      const [first, second] = [
        await us.http.send('POST', '/execute', { code }, { authorization }),
        await us.http.send('POST', '/execute', { code }, { authorization }),
      ]
      expect(first.status).toBeGreaterThanOrEqual(400)
      expect(first.headers['www-authenticate']).toBe(undefined)
      expect(second.text).toBe(first.text)
      expect((await income()) - before).toBe(10_000n)
    }
  })

  test('for a deploy that fails at the last moment is in the balance, and pays for the next', async () => {
    const it = await us.wallet()
    const before = await income()
    const { charge } = await us.http.ask('POST', '/deploy', app('late'))
    const authorization = await it.charge(charge)
    const send = () => us.http.send('POST', '/deploy', app('late'), { authorization })
    once('sendCharge', async (real) => {
      const txHash = await real()
      // Somebody else made a project of this name meanwhile.
      const made = await us.http.pay('POST', '/v1/projects', { name: 'late' }, ({ charge }) =>
        it.prove(charge),
      )
      expect(made.status).toBe(201)
      return txHash
    })
    const failed = await send()
    expect(failed.status).toBe(409)
    expect(failed.headers['www-authenticate']).toBe(undefined)
    expect(await us.credited(it)).toBe(100_000n)
    const again = await us.http.send('POST', '/deploy', app('late'), {
      authorization,
      'idempotency-key': 'again',
    })
    expect(again.status).toBe(201)
    expect((await income()) - before).toBe(100_000n)
    expect(await us.credited(it)).toBe(0n)
  })

  test('for a deploy that does not start is not sent', async () => {
    const it = await us.wallet()
    const broken = { name: 'broken', files: { 'index.js': 'throw new Error("at once")' } }
    const answer = await us.http.pay('POST', '/deploy', broken, ({ charge }) => it.charge(charge))
    expect(answer.json.code).toBe('deploy_failed')
    expect(await balanceOf(await us.chain(), it.address)).toBe(1_000_000_000n)
  })
})

describe('a session', () => {
  test.each([
    ['a program', '/execute', program, 10_000n],
    ['a deploy', '/deploy', { files: app('').files }, 50_000n],
  ])('whose key is lost before %s and after it pays once', async (_, path, body, microUsd) => {
    const it = await us.wallet()
    const channel = await us.open(it)
    let signed = 10_000n
    const send = async () => {
      const { session } = await us.http.ask('POST', path, body)
      signed += microUsd
      const authorization = await it.promise(session, channel, signed)
      return us.http.send('POST', path, body, { authorization, 'idempotency-key': 'lost' })
    }
    const { engine } = us.cloud.jack
    const verb = path === '/execute' ? 'execute' : 'put'
    const real = engine[verb]
    engine[verb] = () => {
      engine[verb] = real as never
      throw new JackError('unavailable', 'There is no room.')
    }
    expect((await send()).status).toBe(503)
    once('receipt', () => {
      throw new Error('the end')
    })
    expect((await send()).status).toBe(500)
    const answer = await send()
    expect(answer.status).toBe(path === '/execute' ? 200 : 201)
    expect(answer.json.deduplicated).not.toBe(true)
    await us.settled()
    expect((await us.session(channel)).committedMicroUsd).toBe(10_000n + microUsd)
    const { sessionId } = await us.session(channel)
    const paid = await us.cloud.jack.db
      .selectFrom('ledger_reservation')
      .select('ref')
      .where('session_id', '=', sessionId)
      .where('captured_micro_usd', '=', microUsd)
      .where('kind', '=', path === '/execute' ? 'execution' : 'deploy')
      .execute()
    const id = answer.json.execution_id ?? answer.json.deployment_id
    expect(paid.map((it) => it.ref)).toContain(id)
  })

  test('of which a hundred calls at once fail in every way has paid for what was delivered', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    let signed = 10_000n
    const call = async (body: unknown, leaveAfterMs?: number) => {
      const challenge = await us.http.ask('POST', '/execute', body)
      signed += 10_000n
      const authorization = await it.promise(challenge.session, channel, signed)
      if (leaveAfterMs === undefined)
        return us.http.send('POST', '/execute', body, { authorization })
      return fetch(`http://127.0.0.1:${us.cloud.port}/execute`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(leaveAfterMs),
      }).catch(() => ({ status: 0 }))
    }
    const kinds = [
      program,
      { code: 'export const run = (' },
      { code: 'export const run = () => { throw new Error("no") }' },
      { code: 'export const run = () => { for (;;); }' },
      { code: 'export const run = () => new Promise(() => {})', timeout_ms: 100 },
    ]
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => call(kinds[i % 5], i % 25 === 24 ? 50 : undefined)),
    )
    // Whoever left may or may not have had his program run.
    const { jack } = us.cloud
    const executions = async () => {
      await us.settled()
      const { committedMicroUsd } = await us.session(channel)
      const rows = await jack.db
        .selectFrom('ledger_reservation')
        .select(['captured_micro_usd', 'settled_at'])
        .where('session_id', '=', (await us.session(channel)).sessionId)
        .execute()
      expect(rows.filter((row) => row.settled_at === null)).toEqual([])
      const captured = rows.filter((row) => row.captured_micro_usd === 10_000n).length
      expect(committedMicroUsd).toBe(BigInt(captured) * 10_000n)
      return captured - 1
    }
    await expect
      .poll(() => executions().catch(() => -1), { timeout: 10_000 })
      .toBeGreaterThanOrEqual(0)
    const delivered = answers.filter((it, i) => it.status !== 0 && i % 5 !== 1 && it.status < 500)
    const left = answers.filter((it) => it.status === 0).length
    const paid = await executions()
    expect(paid).toBeGreaterThanOrEqual(delivered.filter((it) => it.status !== 429).length)
    expect(paid).toBeLessThanOrEqual(delivered.length + left)
    expect(answers.filter((it) => it.status === 402)).toEqual([])
    expect((await us.session(channel)).status).toBe('open')
  }, 60_000)

  test('that is funded from, run with and closed at once ends with what was delivered', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    const { sessionId } = await us.session(channel)
    const before = await balanceOf(await us.chain(), it.address)
    let signed = 10_000n
    const call = async (path: string, body: unknown, microUsd: bigint) => {
      const { session } = await us.http.ask('POST', path, body)
      signed += microUsd
      const authorization = await it.promise(session, channel, signed)
      return us.http.send('POST', path, body, { authorization })
    }
    const busy = Array.from({ length: 30 }, (_, i) =>
      i % 3
        ? call('/execute', program, 10_000n)
        : call('/v1/balance', { amount_usd: '0.1' }, 100_000n),
    )
    await sleep(30)
    const closing = Array.from({ length: 5 }, () => closeSession(us.cloud.jack, sessionId, 'asked'))
    const answers = await Promise.all(busy)
    await Promise.all(closing)
    await expect
      .poll(async () => (await us.session(channel)).status, { timeout: 20_000 })
      .toBe('closed')
    const delivered = answers.filter((it) => it.status === 200 && it.json.result === 42).length + 1
    expect(answers.every((it) => [200, 402, 410].includes(it.status))).toBe(true)
    const closed = await us.session(channel)
    expect(closed.settledMicroUsd).toBe(BigInt(delivered) * 10_000n)
    const refunded = (await balanceOf(await us.chain(), it.address)) - before
    expect(refunded).toBe(5_000_000n - closed.settledMicroUsd)
    expect(await us.credited(it)).toBe(0n)
  }, 60_000)

  test.each([
    ['a program', '/execute', program, 10_000n],
    ['a balance', '/v1/balance', { amount_usd: '0.1' }, 100_000n],
  ])(
    'that paid for %s whose answer was lost leaves nothing for the next session to pay',
    async (_, path, body, microUsd) => {
      const it = await us.wallet()
      const [first, second] = [await us.open(it), await us.open(it)]
      const send = async (channel: typeof first) => {
        const { session } = await us.http.ask('POST', path, body)
        const authorization = await it.promise(session, channel, 10_000n + microUsd)
        return us.http.send('POST', path, body, { authorization, 'idempotency-key': 'moved' })
      }
      once('receipt', () => {
        throw new Error('the end')
      })
      expect((await send(first)).status).toBe(500)
      await us.settled()
      expect((await send(second)).status).toBe(200)
      await us.settled()
      expect((await us.session(first)).committedMicroUsd).toBe(10_000n + microUsd)
      expect((await us.session(second)).committedMicroUsd).toBe(10_000n)
      expect(await us.credited(it)).toBe(path === '/execute' ? 0n : microUsd)
    },
  )

  test('that the chain does not open at first is opened by the next try', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(session)
    const authorization = await it.open(session, channel)
    const send = () => us.http.send('POST', '/execute', program, { authorization })
    once('open', () => Promise.reject(new JackError('unavailable', 'No route to host.')))
    expect((await send()).status).toBe(503)
    expect(await send()).toMatchObject({ status: 200, json: { result: 42 } })
    expect((await us.session(channel)).committedMicroUsd).toBe(10_000n)
  })

  test('that is looked for in a database that is away asks for nothing more, and goes on after it', async () => {
    const it = await us.wallet()
    const channel = await us.open(it)
    const { session } = await us.http.ask('POST', '/execute', program)
    const authorization = await it.promise(session, channel, 20_000n)
    const send = () => us.http.send('POST', '/execute', program, { authorization })
    const { db } = us.cloud.jack
    const real = db.selectFrom
    db.selectFrom = ((table: 'session') => {
      if (table !== 'session') return real.call(db, table)
      db.selectFrom = real
      const gone = { code: 'ECONNRESET', syscall: 'read' }
      throw Object.assign(new Error('read ECONNRESET'), gone)
    }) as typeof real
    const failed = await send()
    expect(failed).toMatchObject({ status: 503, json: { code: 'unavailable' } })
    expect(failed.headers['retry-after']).toBe('1')
    expect(failed.headers['www-authenticate']).toBe(undefined)
    expect(await send()).toMatchObject({ status: 200, json: { result: 42 } })
    expect((await us.session(channel)).committedMicroUsd).toBe(20_000n)
  })

  test('whose payer asked the chain for his money before it was presented is not opened', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(session)
    await sendRaw(it, channel.transaction)
    await requestClose(await us.chain(), it, channel)
    const authorization = await it.open(session, channel)
    const answer = await us.http.send('POST', '/execute', program, { authorization })
    expect(outcomeOf(answer)).toBe('session/channel-finalized')
    expect(answer.headers['payment-receipt']).toBe(undefined)
  })

  test('that was opened on chain by its payer himself is as good', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const channel = await it.channel(session)
    await sendRaw(it, channel.transaction)
    const authorization = await it.open(session, channel)
    const answer = await us.http.send('POST', '/execute', program, { authorization })
    expect(answer.status).toBe(200)
  })
})

async function sendRaw(it: Handmade, serializedTransaction: `0x${string}`): Promise<void> {
  await sendRawTransactionSync(it.client, { serializedTransaction })
}
