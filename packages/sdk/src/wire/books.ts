import { nowhere, type Place, type Rule, same, wrong } from './Finding.ts'
import { prices, runtimeCosts } from './prices.ts'
import { DeployDetail, type Receipt, RuntimeDetail, type Statement } from './Receipt.ts'
import { fromUsd, toUsd } from './Usd.ts'

type Reason = Receipt['reason']

/** What was seen of a project's runtime, in nano-USD. */
interface Project {
  /** What the last charge left over; null when there was none. */
  carried: bigint | null
  /** What deploys brought along, and how much of that was used. */
  brought: bigint
  used: bigint
  /** Brought before the last charge began; and what may have come after that, oldest first. */
  due: bigint
  fresh: { at: number; nanoUsd: bigint }[]
  /** It has receipts from before there was detail, or in another account. */
  old: boolean
}

const newProject = (): Project => ({
  carried: null,
  brought: 0n,
  used: 0n,
  due: 0n,
  fresh: [],
  old: false,
})

/**
 * The money of a bill. Takes receipts in their order and throws `Wrong` at the first that does not add up; what the
 * statement says is compared at the end.
 */
export function openBooks(statement: Statement) {
  const charges = new Map<string, { left: bigint }>()
  const entered = new Set<string>()
  const projects = new Map<string, Project>()
  const taken = new Map(statement.sessions.map((it) => [it.session_id, 0n]))
  const byReason = new Map<Reason, bigint>()
  let balance = 0n
  let withoutDetail = 0
  let detailed = false

  function enter(it: Receipt, place: Place): void {
    if (entered.has(it.receipt_id)) wrong('once', place, 'one receipt', it.receipt_id)
    entered.add(it.receipt_id)
    const amount = fromUsd(it.amount_usd)
    const sign = amount > 0n ? 'in' : amount < 0n ? 'out' : 'nothing'
    same('direction', place, directionOf(it), sign)
    byReason.set(it.reason, (byReason.get(it.reason) ?? 0n) + amount)
    if (spends(it.reason)) charges.set(it.receipt_id, { left: -amount })
    if (it.reason === 'execution') usd('price', place, -prices.execution, amount)
    if (it.reason === 'deploy') enterDeploy(it, amount, place)
    else if (it.reason === 'runtime') enterRuntime(it, amount, place)
    else if (it.detail !== null) wrong('detail', place, null, 'some')
    if (it.reason === 'refund') enterRefund(it, amount, place)
    if (it.reason === 'fund' && it.session_id === null && it.ref === null)
      wrong('fund', place, 'a session or a transaction', null)
    move(it, amount, place)
  }

  /** In the balance or a session, or from the one to the other. */
  function move(it: Receipt, amount: bigint, place: Place): void {
    if (it.of === 'balance') {
      balance += amount
      same('balance', place, toUsd(balance), it.balance_usd)
    } else {
      same('balance', place, null, it.balance_usd)
    }
    const own = it.session_id === null ? undefined : taken.get(it.session_id)
    if (own !== undefined)
      taken.set(it.session_id as string, own + (it.of === 'balance' ? amount : -amount))
    // Somebody else's session can pay into a balance, and be paid back out of it.
    else if (it.of === 'session') wrong('session', place, 'one of the statement', it.session_id)
  }

  function enterDeploy(it: Receipt, amount: bigint, place: Place): void {
    const terms = deployTerms.find(({ price }) => price === -amount)
    if (!terms)
      wrong('price', place, deployTerms.map((it) => toUsd(-it.price)).join(' or '), it.amount_usd)
    const detail = detailOf(DeployDetail, it, place)
    const project = projectOf(it.project_id)
    if (!detail) {
      project.old = true
      return
    }
    usd('included', place, terms.included, fromUsd(detail.included_usd))
    const nanoUsd = terms.included * 1_000n
    project.brought += nanoUsd
    project.fresh.push({ at: Date.parse(it.at), nanoUsd })
  }

  function enterRuntime(it: Receipt, amount: bigint, place: Place): void {
    const detail = detailOf(RuntimeDetail, it, place)
    const project = projectOf(it.project_id)
    if (!detail) {
      project.old = true
      return
    }
    if (detail.moved) Object.assign(project, newProject(), { old: true, carried: 0n })
    const included = BigInt(detail.included_nano_usd)
    const carriedIn = BigInt(detail.carried_in_nano_usd)
    const carriedOut = BigInt(detail.carried_out_nano_usd)
    same('carry', place, project.carried ?? (project.old ? carriedIn : 0n), carriedIn)
    const cost = Object.values(
      runtimeCosts({
        requests: detail.requests,
        cpuUs: detail.cpu_us,
        rowsRead: detail.rows_read,
        rowsWritten: detail.rows_written,
      }),
    ).reduce((sum, it) => sum + it)
    same('runtime', place, cost - included + carriedIn - carriedOut, -amount * 1_000n)
    project.carried = carriedOut
    project.used += included
    checkIncluded(it, project, place)
  }

  function checkIncluded(it: Receipt, project: Project, place: Place): void {
    const { brought, used, fresh, old } = project
    if (!old && used > brought) wrong('included', place, `at most ${brought}`, used)
    // When it began to cost something, everything was used that had been brought along by then.
    const began = Date.parse(it.period?.from ?? it.at) - clocksApartMs
    while (fresh[0] && fresh[0].at < began) project.due += fresh.shift()?.nanoUsd ?? 0n
    if (used < project.due) wrong('included', place, `at least ${project.due}`, used)
  }

  function enterRefund(it: Receipt, amount: bigint, place: Place): void {
    const charge = charges.get(it.refund_of ?? '')
    if (!charge) wrong('refund', place, 'an earlier charge', it.refund_of)
    if (amount > charge.left) wrong('refund', place, `at most ${toUsd(charge.left)}`, it.amount_usd)
    charge.left -= amount
  }

  function detailOf<T>(
    schema: { safeParse(it: unknown): { data?: T | undefined } },
    it: Receipt,
    place: Place,
  ): T | undefined {
    if (it.detail === null && !detailed) {
      withoutDetail++
      return undefined
    }
    detailed = true
    const { data } = schema.safeParse(it.detail)
    return data ?? wrong('detail', place, `that of ${it.reason}`, it.detail && 'another')
  }

  function projectOf(id: string | null): Project {
    const known = projects.get(id ?? '')
    if (known) return known
    const project = newProject()
    projects.set(id ?? '', project)
    return project
  }

  /** Compares what the statement says. */
  function close() {
    usd('total', nowhere, balance, fromUsd(statement.balance_usd) + fromUsd(statement.held_usd))
    for (const session of statement.sessions)
      closeSession(session, taken.get(session.session_id) ?? 0n)
    const spent = byReason
      .entries()
      .filter(([reason]) => spends(reason) || reason === 'refund')
      .reduce((sum, [, amount]) => sum - amount, 0n)
    const all = taken.values().reduce((sum, it) => sum + it, 0n)
    return { balance, taken: all, spent, byReason, withoutDetail }
  }

  return { enter, close }
}

function closeSession(it: Statement['sessions'][number], taken: bigint): void {
  const say = (amount: bigint) => `${toUsd(amount)} of ${it.session_id}`
  const [told, authorized, deposit] = [it.taken_usd, it.authorized_usd, it.deposit_usd].map(
    fromUsd,
  ) as [bigint, bigint, bigint]
  same('taken', nowhere, say(taken), say(told))
  if (taken > authorized) wrong('authorized', nowhere, `at most ${say(authorized)}`, say(taken))
  if (authorized > deposit) wrong('authorized', nowhere, `at most ${say(deposit)}`, say(authorized))
  if (!it.close) return
  const captured = fromUsd(it.close.captured_usd)
  // Less was, when the payer took it back on chain before it could be.
  if (captured > taken) wrong('closed', nowhere, `at most ${say(taken)}`, say(captured))
  same('closed', nowhere, say(deposit - captured), say(fromUsd(it.close.refunded_usd)))
}

/** From a balance or a session, and by one transaction. */
const deployTerms = [
  { price: prices.deploy, included: prices.deployIncludedRuntime },
  { price: prices.charge.deploy, included: prices.charge.includedRuntime },
]

/** How far clocks of servers and databases may be apart. */
const clocksApartMs = 300_000

const spends = (reason: Reason): boolean =>
  reason === 'execution' || reason === 'deploy' || reason === 'runtime'

/** Which way money goes, as seen from what the receipt is of: funding comes into a balance, and out of a session. */
function directionOf({ reason, of }: Receipt): 'in' | 'out' {
  if (spends(reason)) return 'out'
  const comesIn = reason !== 'withdrawal'
  return comesIn === (of === 'balance') ? 'in' : 'out'
}

function usd(rule: Rule, place: Place, expected: bigint, found: bigint): void {
  same(rule, place, toUsd(expected), toUsd(found))
}
