import { sql } from 'kysely'
import type { PrivateKeyAccount } from 'viem'
import type { Jack } from '../jack.ts'
import { openChannel, type TestChannel, type TestPayee } from '../payments/mppx/testing.ts'
import type { Session } from '../Session.ts'
import * as accounts from '../store/accounts.ts'
import * as ledger from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import * as sessions from '../store/sessions.ts'

let count = 0
const unique = () => `${++count}-${crypto.randomUUID()}`

/** An account that pays from a channel, as the server would know it after the channel was opened. */
export interface TestSession {
  channel: TestChannel
  accountId: string
  sessionId: string
  /** Signs for as much more as the work costs, and sets that aside. Answers the reservation. */
  pay(amountMicroUsd: bigint): Promise<string>
  /** Pays for work that is delivered. */
  buy(amountMicroUsd: bigint): Promise<void>
  /** Adds to a balance, his own if nothing is said. */
  fund(amountMicroUsd: bigint, accountId?: string): Promise<void>
  read(): Promise<Session>
}

export async function newAccount(jack: Pick<Jack, 'db'>): Promise<string> {
  const { accountId } = await accounts.ensure(jack.db, {
    accountId: `acc_${unique()}`,
    slug: `slug-${unique()}`,
    kind: 'wallet',
  })
  await ledger.createLedgerAccount(jack.db, accountId)
  return accountId
}

/** A project with a live version, of which only the books know. */
export async function newProject({ db }: Pick<Jack, 'db'>, accountId: string): Promise<string> {
  const projectId = `prj_${unique()}`
  await projects.add(db, {
    projectId,
    accountId,
    name: unique(),
    label: unique(),
    budgetMicroUsd: null,
    ttlHours: null,
    expiresAt: null,
  })
  const deploymentId = `dep_${unique()}`
  await sql`insert into deployment values (${deploymentId}, ${projectId}, '{}', '', 0)`.execute(db)
  await sql`update project set live_deployment_id = ${deploymentId} where project_id = ${projectId}`.execute(
    db,
  )
  return projectId
}

/** Uses so much runtime, as if an app had been asked. */
export function useRuntime(
  { recorder }: Pick<Jack, 'recorder'>,
  projectId: string,
  microUsd: number,
): void {
  recorder.rows(projectId, { read: 0, written: microUsd })
}

export async function newSession(
  { db }: Pick<Jack, 'db'>,
  us: TestPayee,
  depositMicroUsd: bigint,
  it: { wallet?: PrivateKeyAccount; accountId?: string; openedAt?: Date } = {},
): Promise<TestSession> {
  const channel = await openChannel(us, depositMicroUsd, it.wallet)
  const accountId = it.accountId ?? (await newAccount({ db }))
  const begun = await sessions.begin(
    db,
    {
      ...channel,
      sessionId: `ses_${unique()}`,
      accountId,
      authorizedMicroUsd: 0n,
      signature: await channel.sign(0n),
    },
    it.openedAt ?? new Date(),
  )
  await sessions.opened(db, channel.channelId, { depositMicroUsd, openTx: channel.openTx })
  const { sessionId } = begun
  const read = async () => (await sessions.get(db, sessionId)) as Session
  const signed = new Set<bigint>()
  /** Another amount each time: a voucher pays once. */
  const voucherFor = async (amountMicroUsd: bigint) => {
    const { committedMicroUsd, authorizedMicroUsd } = await read()
    let cumulativeMicroUsd = most(authorizedMicroUsd, committedMicroUsd + amountMicroUsd)
    while (cumulativeMicroUsd <= authorizedMicroUsd && signed.has(cumulativeMicroUsd))
      cumulativeMicroUsd--
    signed.add(cumulativeMicroUsd)
    const signature = await channel.sign(cumulativeMicroUsd)
    return { channelId: channel.channelId, challengeId: unique(), cumulativeMicroUsd, signature }
  }
  const pay = async (amountMicroUsd: bigint) => {
    const id = `exe_${unique()}`
    const voucher = await voucherFor(amountMicroUsd)
    await sessions.pay(db, voucher, { id, amountMicroUsd, kind: 'execution' })
    return id
  }
  return {
    channel,
    accountId,
    sessionId,
    read,
    pay,
    async buy(amountMicroUsd) {
      await ledger.capture(db, { id: await pay(amountMicroUsd) })
    },
    async fund(amountMicroUsd, to = accountId) {
      const voucher = await voucherFor(amountMicroUsd)
      const fund = { id: unique(), amountMicroUsd, accountId: to, projectId: null }
      await sessions.fund(db, voucher, fund)
    },
  }
}

const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)
