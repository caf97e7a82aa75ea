import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { prices, runtimeCosts } from './prices.ts'
import { type Bill, type Receipt, type Statement, signedText, thumbprintText } from './Receipt.ts'
import { toUsd } from './Usd.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const { x = '' } = publicKey.export({ format: 'jwk' })
const kid = createHash('sha256').update(thumbprintText({ x })).digest('base64url')

type Unsigned<T> = Omit<T, 'key_id' | 'hash' | 'signature'>

/** What a cloud does that has a key, and may not be honest. */
export function signed<T extends object>(
  it: T,
  key: KeyObject = privateKey,
): T & { key_id: string; hash: string; signature: string } {
  const { hash: _, signature: __, ...said } = { ...it, key_id: kid, hash: '', signature: '' }
  const hash = createHash('sha256').update(signedText(said)).digest()
  return {
    ...it,
    key_id: kid,
    hash: hash.toString('hex'),
    signature: sign(null, hash, key).toString('base64'),
  }
}

/** A bill that is sealed anew from a receipt on, as only who has the key can do it. */
export function resealed(bill: Bill): Bill {
  let previous: Receipt | undefined
  const receipts = bill.receipts.map((it, i) => {
    previous = signed({ ...it, position: i + 1, previous_hash: previous?.hash ?? null })
    return previous
  })
  return {
    ...bill,
    receipts,
    statement: signed({
      ...bill.statement,
      position: receipts.length,
      last_hash: previous?.hash ?? null,
    }),
  }
}

/** One step of the life of an account. */
export type Step =
  | { do: 'grant' | 'fund' | 'fund other' | 'pay in'; microUsd: number }
  | { do: 'execute' | 'execute from session' | 'charge' | 'back' }
  | { do: 'deploy' | 'deploy once'; project: number }
  | { do: 'use'; project: number; requests: number; cpu: number; rows: number }
  | { do: 'refund'; nth: number; part: number }

const microUsd = fc.integer({ min: 1, max: 400_000 })
const project = fc.nat(1)
export const life: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constantFrom(
        'grant' as const,
        'fund' as const,
        'fund other' as const,
        'pay in' as const,
      ),
      microUsd,
    }),
    fc.record({
      do: fc.constantFrom(
        'execute' as const,
        'execute from session' as const,
        'charge' as const,
        'charge' as const,
        'back' as const,
      ),
    }),
    fc.record({ do: fc.constantFrom('deploy' as const, 'deploy once' as const), project }),
    fc.record({
      do: fc.constant('use' as const),
      project,
      requests: fc.nat(100_000),
      cpu: fc.nat(1_000),
      rows: fc.nat(1_000),
    }),
    fc.record({ do: fc.constant('refund' as const), nth: fc.nat(5), part: fc.nat(100) }),
  ),
  { maxLength: 30 },
)

/** The bill of an honest cloud after such a life, each step of which took ten minutes. */
export function billAfter(steps: readonly Step[]): Bill {
  let now = Date.parse('2026-11-21T12:00:00Z')
  let balance = 0n
  let taken = 0n
  const receipts: Receipt[] = []
  const projects = [0, 1].map(() => ({
    included: 0n,
    pending: 0n,
    carried: 0n,
    since: 0,
    used: { requests: 0, cpuUs: 0, rowsRead: 0, rowsWritten: 0 },
    drawn: 0n,
  }))
  const charges: { id: string; left: bigint }[] = []

  const enter = (it: Partial<Receipt>, amount: bigint, fromSession = false) => {
    const id = `id_${receipts.length + 1}`
    if (fromSession) taken -= amount
    else {
      balance += amount
      if (it.session_id) taken += amount
    }
    if (amount < 0n && it.reason !== 'fund' && it.reason !== 'withdrawal')
      charges.push({ id, left: -amount })
    const receipt: Unsigned<Receipt> = {
      receipt_id: id,
      account_id: 'acc_1',
      position: receipts.length + 1,
      at: new Date(now).toISOString(),
      reason: 'grant',
      amount_usd: toUsd(amount),
      of: fromSession ? 'session' : 'balance',
      balance_usd: fromSession ? null : toUsd(balance),
      session_id: fromSession ? 'ses_1' : null,
      ref: `ref_${id}`,
      refund_of: null,
      project_id: null,
      project: null,
      period: null,
      detail: null,
      previous_hash: receipts.at(-1)?.hash ?? null,
      ...it,
    }
    receipts.push(signed(receipt))
  }

  const charge = (i: number) => {
    const it = projects[i] as (typeof projects)[number]
    const amount = least(it.pending / 1_000n, balance)
    if (amount === 0n) return
    const left = it.pending - amount * 1_000n
    enter(
      {
        reason: 'runtime',
        project_id: `prj_${i}`,
        project: `app-${i}`,
        period: { from: new Date(it.since).toISOString(), until: new Date(now).toISOString() },
        detail: {
          requests: it.used.requests,
          cpu_us: it.used.cpuUs,
          rows_read: it.used.rowsRead,
          rows_written: it.used.rowsWritten,
          included_nano_usd: String(it.drawn),
          carried_in_nano_usd: String(it.carried),
          carried_out_nano_usd: String(left),
        },
      },
      -amount,
    )
    it.used = { requests: 0, cpuUs: 0, rowsRead: 0, rowsWritten: 0 }
    it.drawn = 0n
    it.pending = left
    it.carried = left
  }

  const deploy = (i: number, price: bigint, included: bigint, fromSession: boolean) => {
    const detail = { included_usd: toUsd(included) }
    const named = { project_id: `prj_${i}`, project: `app-${i}` }
    enter({ reason: 'deploy', ...named, detail }, -price, fromSession)
    ;(projects[i] as (typeof projects)[number]).included += included * 1_000n
  }

  for (const step of steps) {
    now += 600_000
    switch (step.do) {
      case 'grant':
        enter({}, BigInt(step.microUsd))
        break
      case 'pay in':
        enter({ reason: 'fund', ref: '0xabc' }, BigInt(step.microUsd))
        break
      case 'fund':
        enter({ reason: 'fund', session_id: 'ses_1' }, BigInt(step.microUsd))
        break
      case 'fund other':
        enter({ reason: 'fund' }, -BigInt(step.microUsd), true)
        break
      case 'back':
        if (taken > 1n) enter({ reason: 'withdrawal' }, 1n, true)
        break
      case 'execute':
        if (balance >= prices.execution) enter({ reason: 'execution' }, -prices.execution)
        break
      case 'execute from session':
        enter({ reason: 'execution' }, -prices.execution, true)
        break
      case 'deploy':
        deploy(step.project, prices.deploy, prices.deployIncludedRuntime, true)
        break
      case 'deploy once':
        enter({ reason: 'fund', ref: '0xabc' }, prices.charge.deploy)
        deploy(step.project, prices.charge.deploy, prices.charge.includedRuntime, false)
        break
      case 'use': {
        const it = projects[step.project] as (typeof projects)[number]
        const used = {
          requests: step.requests,
          cpuUs: step.cpu * 10,
          rowsRead: step.rows,
          rowsWritten: step.rows,
        }
        const cost = Object.values(runtimeCosts(used)).reduce((sum, one) => sum + one)
        const drawn = least(cost, it.included)
        it.included -= drawn
        it.drawn += drawn
        if (it.pending < 1_000n) it.since = now
        it.pending += cost - drawn
        for (const kind of Object.keys(used) as (keyof typeof used)[]) it.used[kind] += used[kind]
        break
      }
      case 'charge':
        charge(0)
        charge(1)
        break
      case 'refund': {
        const it = charges[step.nth]
        const part = it ? (it.left * BigInt(step.part)) / 100n : 0n
        if (!it || part === 0n) break
        it.left -= part
        enter({ reason: 'refund', refund_of: it.id }, part)
      }
    }
  }

  const session: Statement['sessions'][number] = {
    session_id: 'ses_1',
    channel_id: '0x01',
    status: 'open',
    deposit_usd: toUsd(taken + 2n),
    authorized_usd: toUsd(taken + 1n),
    taken_usd: toUsd(taken),
    close: null,
  }
  const held = balance / 3n
  const statement = signed({
    account_id: 'acc_1',
    cloud: 'https://jack.example',
    at: new Date(now).toISOString(),
    position: receipts.length,
    last_hash: receipts.at(-1)?.hash ?? null,
    balance_usd: toUsd(balance - held),
    held_usd: toUsd(held),
    sessions: [session],
  })
  return { format: 1, statement, receipts, keys: [{ kty: 'OKP', crv: 'Ed25519', x, kid }] }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
