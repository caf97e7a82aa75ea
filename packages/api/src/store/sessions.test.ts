import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, describe, expect, test } from 'vitest'
import type { Hex } from '../Session.ts'
import { createLedgerAccount } from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as sessions from './sessions.ts'
import { testDatabase } from './testing/database.ts'

const database = await testDatabase()
const { db } = database
afterAll(() => database.drop())

let count = 0
const newId = () => `${++count}`.padStart(6, '0')
const zero: Hex = '0x00'

async function newAccount(): Promise<string> {
  const accountId = `acc_${newId()}`
  await sql`insert into account (account_id, slug, kind, created_at) values (${accountId}, ${accountId}, 'wallet', now())`.execute(
    db,
  )
  await createLedgerAccount(db, accountId)
  return accountId
}

async function newSession(accountId: string, depositMicroUsd: bigint) {
  const channelId: Hex = `0x${newId()}`
  const names = [
    'payer',
    'payee',
    'operator',
    'token',
    'salt',
    'authorizedSigner',
    'expiringNonceHash',
  ]
  const { sessionId } = await sessions.begin(
    db,
    {
      sessionId: `ses_${newId()}`,
      channelId,
      accountId,
      chainId: 1337,
      escrow: zero,
      payer: zero,
      signer: zero,
      descriptor: Object.fromEntries(names.map((name) => [name, zero])) as never,
      depositMicroUsd,
      authorizedMicroUsd: 0n,
      signature: zero,
    },
    new Date(),
  )
  await sessions.opened(db, channelId, { depositMicroUsd, openTx: null })
  return { sessionId, channelId }
}

interface Paying {
  channelId: string
  challenge: string
  cumulative: bigint | null
  id: string | null
  amount: bigint | null
}

async function pay(it: Paying): Promise<string> {
  const { rows } = await sql<{ outcome: string }>`select outcome from session_pay(
    ${it.channelId}, ${it.challenge}, ${it.cumulative}, '0x', ${it.id}, ${it.amount}, 'execution', null, null)`.execute(
    db,
  )
  return rows[0]?.outcome as string
}

async function fund(it: Paying & { accountId: string }): Promise<string> {
  const { rows } = await sql<{ outcome: string }>`select outcome from session_fund(
    ${it.channelId}, ${it.challenge}, ${it.cumulative}, '0x', ${it.id}, ${it.amount}, ${it.accountId}, null)`.execute(
    db,
  )
  return rows[0]?.outcome as string
}

async function settle(id: string, captured: bigint | null): Promise<string> {
  const { rows } = await sql<{ outcome: string }>`
    select outcome from ledger_settle(${id}, ${captured}, null, null)`.execute(db)
  return rows[0]?.outcome as string
}

const read = async (sessionId: string) => {
  const it = await sessions.get(db, sessionId)
  return [it?.depositMicroUsd, it?.authorizedMicroUsd, it?.committedMicroUsd]
}

describe('numbers that mean no good', () => {
  test('change nothing, whichever step they are given to', async () => {
    const accountId = await newAccount()
    const { sessionId, channelId } = await newSession(accountId, 1_000n)
    expect(
      await pay({ channelId, challenge: 'first', cumulative: 500n, id: 'w1', amount: 100n }),
    ).toBe('done')
    const before = await read(sessionId)
    const most = 2n ** 63n - 1n
    const odd = [-1n, 0n, -most, -(2n ** 63n), most, null]
    for (const amount of odd) {
      for (const cumulative of [600n, 0n, -1n, -most, most, null]) {
        const it = { channelId, challenge: newId(), cumulative, id: newId(), amount }
        for (const step of [() => pay(it), () => fund({ ...it, accountId })]) {
          const outcome = await step().catch(() => 'refused')
          expect([amount, cumulative, outcome === 'done']).toEqual([amount, cumulative, false])
        }
      }
    }
    for (const captured of [-1n, -most, 101n, most])
      expect(await settle('w1', captured).catch(() => 'refused')).not.toBe('done')
    await expect(
      sql`select session_pay(${channelId}, 'n', 'NaN', '0x', null, null, null, null, null)`.execute(
        db,
      ),
    ).rejects.toThrow()
    await expect(
      sql`select session_pay(${channelId}, 'n', ${2n ** 96n - 1n}, '0x', null, null, null, null, null)`.execute(
        db,
      ),
    ).rejects.toThrow()
    expect(await read(sessionId)).toEqual(before)
    expect(await audit(db)).toEqual([])
  })

  test('take nothing from the balance of another', async () => {
    const [thief, victim] = [await newAccount(), await newAccount()]
    const { channelId } = await newSession(thief, 1_000n)
    const theirs = await newSession(victim, 1_000n)
    const it = { challenge: newId(), cumulative: 300n, id: newId(), amount: 300n }
    expect(await fund({ ...it, channelId: theirs.channelId, accountId: victim })).toBe('done')
    for (const amount of [-300n, -1n, 0n])
      await expect(
        fund({
          channelId,
          challenge: newId(),
          cumulative: 500n,
          id: newId(),
          amount,
          accountId: victim,
        }),
      ).rejects.toThrow('amounts are positive')
    expect(await pay({ ...it, channelId, amount: 100n })).toBe('used')
    expect(await fund({ ...it, channelId, accountId: thief })).toBe('mismatch')
    expect(await audit(db)).toEqual([])
  })
})

/** What should become of sessions and balances, said as simply as it can be. */
class Model {
  sessions = new Map<string, ModelSession>()
  work = new Map<
    string,
    { of: ModelSession | null; account: Purse; amount: bigint; captured: bigint | null }
  >()
  funded = new Map<string, { of: ModelSession; account: Purse; amount: bigint }>()
  challenges = new Map<string, { of: ModelSession; work: string | null }>()

  /** Whether what a voucher paid for came to nothing, so that it may pay again. */
  cameToNothing = (work: string): boolean => this.work.get(work)?.captured === 0n

  refusal(it: ModelSession, challenge: string, cumulative: bigint, amount: bigint): string | null {
    if (it.status !== 'open') return 'closed'
    if (cumulative > it.deposit) return 'over_deposit'
    if (cumulative <= it.settled) return 'used'
    const known = this.challenges.get(challenge)
    if (known && (known.of !== it || known.work === null || !this.cameToNothing(known.work)))
      return 'used'
    const paid = it.vouchers.filter((voucher) => voucher.cumulative === cumulative)
    if (
      paid.some(({ challenge }) => {
        const work = this.challenges.get(challenge)?.work
        return work != null && !this.cameToNothing(work)
      })
    )
      return 'used'
    const authorized = cumulative > it.authorized ? cumulative : it.authorized
    return amount > authorized - it.committed ? 'insufficient' : null
  }

  accept(it: ModelSession, challenge: string, cumulative: bigint, work: string | null): void {
    if (!this.challenges.has(challenge)) it.vouchers.push({ challenge, cumulative })
    this.challenges.set(challenge, { of: it, work })
    if (cumulative > it.authorized) it.authorized = cumulative
  }

  pay(
    it: ModelSession,
    account: Purse,
    challenge: string,
    cumulative: bigint,
    id: string,
    amount: bigint,
  ): string {
    const known = this.work.get(id)
    if (known) return known.of === it && known.amount === amount ? 'replayed' : 'mismatch'
    const refused = this.refusal(it, challenge, cumulative, amount)
    if (refused) return refused
    this.accept(it, challenge, cumulative, id)
    it.committed += amount
    this.work.set(id, { of: it, account, amount, captured: null })
    return 'done'
  }

  fund(
    it: ModelSession,
    account: Purse,
    challenge: string,
    cumulative: bigint,
    id: string,
    amount: bigint,
  ): string {
    const known = this.funded.get(id)
    if (known)
      return known.of === it && known.account === account && known.amount === amount
        ? 'replayed'
        : 'mismatch'
    const refused = this.refusal(it, challenge, cumulative, amount)
    if (refused) return refused
    this.accept(it, challenge, cumulative, id)
    it.committed += amount
    account.grants = account.grants
      .filter((grant) => grant.of !== it)
      .concat({
        of: it,
        unused: (account.grants.find((grant) => grant.of === it)?.unused ?? 0n) + amount,
      })
    this.funded.set(id, { of: it, account, amount })
    return 'done'
  }

  settle(id: string, wanted: bigint | null): string {
    const it = this.work.get(id)
    if (!it) return 'unknown'
    if (it.captured !== null) return 'replayed'
    const captured = wanted ?? it.amount
    if (captured > it.amount) return 'too_much'
    it.captured = captured
    if (it.of) it.of.committed -= it.amount - captured
    else it.account.settle(it.amount, captured)
    return 'done'
  }

  held = (it: ModelSession): bigint =>
    [...this.work.values()].reduce(
      (sum, work) => (work.of === it && work.captured === null ? sum + work.amount : sum),
      0n,
    )
}

interface ModelSession {
  status: 'open' | 'closing'
  deposit: bigint
  authorized: bigint
  committed: bigint
  settled: bigint
  vouchers: { challenge: string; cumulative: bigint }[]
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** An account's balance: own money is used up before what sessions added, and that oldest first. */
class Purse {
  own = 0n
  held = 0n
  grants: { of: ModelSession; unused: bigint }[] = []
  get all(): bigint {
    return this.own + this.grants.reduce((sum, { unused }) => sum + unused, 0n)
  }
  get available(): bigint {
    return this.all - this.held
  }

  reserve(amount: bigint): boolean {
    if (amount > this.available) return false
    this.held += amount
    return true
  }

  settle(reserved: bigint, captured: bigint): void {
    this.held -= reserved
    let left = captured
    const take = (from: bigint) => {
      const part = least(from, left)
      left -= part
      return from - part
    }
    this.own = take(this.own)
    for (const grant of this.grants) grant.unused = take(grant.unused)
  }

  /** What goes back to a session that is closing; what is set aside stays for now. */
  giveBack(to: ModelSession): boolean {
    const grant = this.grants.find((it) => it.of === to)
    if (!grant) return true
    const back = least(grant.unused, this.available)
    grant.unused -= back
    to.committed -= back
    return grant.unused === 0n
  }
}

const amount = fc.bigInt({ min: 1n, max: 60n })
const which = fc.nat(1)
const named = fc.nat(5)
/** Few, so that they come again. */
const cumulative = fc.nat(22).map((it) => BigInt(it) * 10n)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pay' as const),
      which,
      cumulative,
      challenge: fc.nat(14),
      id: fc.nat(14),
      amount,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fund' as const),
      which,
      whose: which,
      cumulative,
      challenge: fc.nat(14),
      id: fc.nat(9),
      amount,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      id: fc.nat(19),
      amount: fc.option(fc.bigInt({ min: 0n, max: 60n })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('reserve' as const), whose: which, id: named, amount }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grant' as const), whose: which, amount }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('settled on chain' as const),
      which,
      part: fc.nat(100),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('top up' as const), which, amount }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), which }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Two accounts with a session each, in the database and in the model, and how to do a step in both. */
async function world() {
  const round = newId()
  const model = new Model()
  const all = await Promise.all(
    [0, 1].map(async () => {
      const accountId = await newAccount()
      const of: ModelSession = {
        status: 'open',
        deposit: 150n,
        authorized: 0n,
        committed: 0n,
        settled: 0n,
        vouchers: [],
      }
      return { accountId, purse: new Purse(), of, ...(await newSession(accountId, 150n)) }
    }),
  )
  const at = (index: number) => all[index] as (typeof all)[0]
  const workName = (id: number) => (id < 15 ? `${round}w${id}` : `${round}r${id - 15}`)

  /** Work that there is, if there is any. */
  const someWork = (id: number) =>
    [...model.work.keys()][id % Math.max(1, model.work.size)] ?? workName(id)

  async function real(it: Step): Promise<unknown> {
    switch (it.do) {
      case 'pay':
        return pay({
          channelId: at(it.which).channelId,
          challenge: `${round}c${it.challenge}`,
          cumulative: it.cumulative,
          id: workName(it.id),
          amount: it.amount,
        })
      case 'fund':
        return fund({
          channelId: at(it.which).channelId,
          challenge: `${round}c${it.challenge}`,
          cumulative: it.cumulative,
          id: `${round}f${it.id}`,
          amount: it.amount,
          accountId: at(it.whose).accountId,
        })
      case 'settle':
        return settle(someWork(it.id), it.amount)
      case 'reserve': {
        const { rows } = await sql<{ outcome: string }>`select outcome from ledger_reserve(
          ${`${round}r${it.id}`}, ${at(it.whose).accountId}, ${it.amount}, 'deploy', null, null, null, null)`.execute(
          db,
        )
        return rows[0]?.outcome
      }
      case 'grant': {
        const { rows } = await sql<{ outcome: string }>`select outcome from ledger_deposit(
          ${newId()}, ${at(it.whose).accountId}, ${it.amount}, 'granted', 'grant', null, null, null)`.execute(
          db,
        )
        return rows[0]?.outcome
      }
      case 'settled on chain':
        for (const { accountId } of all)
          await sql`select session_normalize(${accountId})`.execute(db)
        await sql`update session s set settled_micro_usd = greatest(settled_micro_usd, floor((
            committed_micro_usd
            - (select coalesce(sum(amount_micro_usd), 0) from ledger_reservation r where r.session_id = s.session_id and settled_at is null)
            - (select coalesce(sum(unused_micro_usd), 0) from session_grant g where g.session_id = s.session_id)
          ) * ${it.part}::int / 100))
          where session_id = ${at(it.which).sessionId} and status = 'open'`.execute(db)
        return
      case 'top up':
        await sql`update session set deposit_micro_usd = deposit_micro_usd + ${it.amount}
          where session_id = ${at(it.which).sessionId} and status = 'open'`.execute(db)
        return
      case 'close': {
        const { sessionId } = at(it.which)
        await sql`update session set status = 'closing' where session_id = ${sessionId} and status = 'open'`.execute(
          db,
        )
        const { rows } = await sql<{ whole: boolean }>`
          select session_return(${sessionId}, clock_timestamp()) as whole`.execute(db)
        return rows[0]?.whole
      }
    }
  }

  function modelled(it: Step): unknown {
    switch (it.do) {
      case 'pay': {
        const { of, purse } = at(it.which)
        return model.pay(
          of,
          purse,
          `${round}c${it.challenge}`,
          it.cumulative,
          workName(it.id),
          it.amount,
        )
      }
      case 'fund':
        return model.fund(
          at(it.which).of,
          at(it.whose).purse,
          `${round}c${it.challenge}`,
          it.cumulative,
          `${round}f${it.id}`,
          it.amount,
        )
      case 'settle':
        return model.settle(someWork(it.id), it.amount)
      case 'reserve': {
        const id = `${round}r${it.id}`
        const { purse } = at(it.whose)
        const known = model.work.get(id)
        if (known)
          return known.account === purse && known.amount === it.amount ? 'replayed' : 'mismatch'
        if (!purse.reserve(it.amount)) return 'insufficient'
        model.work.set(id, { of: null, account: purse, amount: it.amount, captured: null })
        return 'done'
      }
      case 'grant':
        at(it.whose).purse.own += it.amount
        return 'done'
      case 'settled on chain': {
        const { of } = at(it.which)
        if (of.status !== 'open') return
        const unused = all.reduce(
          (sum, { purse }) => sum + (purse.grants.find((grant) => grant.of === of)?.unused ?? 0n),
          0n,
        )
        const spent = ((of.committed - model.held(of) - unused) * BigInt(it.part)) / 100n
        if (spent > of.settled) of.settled = spent
        return
      }
      case 'top up': {
        const { of } = at(it.which)
        if (of.status === 'open') of.deposit += it.amount
        return
      }
      case 'close': {
        const { of } = at(it.which)
        of.status = 'closing'
        const back = all.map(({ purse }) => purse.giveBack(of))
        return back.every((whole) => whole) && model.held(of) === 0n
      }
    }
  }

  async function expectSame(): Promise<void> {
    for (const { sessionId, of, accountId, purse } of all) {
      const it = await sessions.get(db, sessionId)
      expect(it).toMatchObject({
        status: of.status,
        depositMicroUsd: of.deposit,
        authorizedMicroUsd: of.authorized,
        committedMicroUsd: of.committed,
        settledMicroUsd: of.settled,
      })
      expect(of.committed <= of.authorized && of.authorized <= of.deposit).toBe(true)
      const { rows } = await sql<{ available: bigint; held: bigint }>`
        select available_micro_usd as available, held_micro_usd as held from ledger_account where account_id = ${accountId}`.execute(
        db,
      )
      expect(rows[0]).toEqual({ available: purse.available, held: purse.held })
    }
    expect(await audit(db)).toEqual([])
  }

  async function expectWhole(): Promise<void> {
    for (const { sessionId } of all) {
      const [deposit = 0n, authorized = 0n, committed = 0n] = await read(sessionId)
      expect(committed >= 0n && committed <= authorized && authorized <= deposit).toBe(true)
    }
    expect(await audit(db)).toEqual([])
  }

  return { real, modelled, expectSame, expectWhole }
}

test('whatever is paid, funded, delivered, released, settled and given back, the books say what a simple model says', async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const it = await world()
      for (const one of steps) {
        const expected = it.modelled(one)
        expect([one, await it.real(one)]).toEqual([one, expected])
        const what = `${one.do}: ${expected}`
        seen.set(what, (seen.get(what) ?? 0) + 1)
      }
      await it.expectSame()
    }),
    { numRuns: 80 },
  )
  // It would not say much if everything had been refused.
  for (const what of [
    'pay: done',
    'fund: done',
    'settle: done',
    'reserve: done',
    'close: true',
    'pay: used',
  ])
    expect([what, (seen.get(what) ?? 0) > 10]).toEqual([what, true])
}, 180_000)

test('whatever is done at once, no book is overdrawn, and the audit finds nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const it = await world()
      // One id is for one piece of work: of two at once that mean different ones, the second breaks off.
      const twice = (error: { code?: string }) => expect(error.code).toBe('23505')
      await Promise.all(steps.map((one) => it.real(one).catch(twice)))
      await it.expectWhole()
    }),
    { numRuns: 20 },
  )
}, 180_000)
