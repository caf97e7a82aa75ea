import { fromUsd, toUsd, verifyBill } from '@jackcloud/sdk/wire'
import { Session } from 'mppx/tempo'
import { type Address, erc20Abi, type Hex, parseAbiItem } from 'viem'
import { getContractEvents, getLogs } from 'viem/actions'
import { Actions } from 'viem/tempo'
import { eventually, live } from '../harness.ts'
import { type Buyer, chainOf } from './buyers.ts'
import type { MortalCloud } from './cloud.ts'
import { closeSessions, type Market } from './market.ts'

const { Constants, escrowAbi } = Session.Precompile
const escrow = Constants.tip20ChannelEscrow as Address

/** What one wallet got and paid, all in micro-USD. */
export interface Account {
  name: string
  how: 'session' | 'charge'
  answers: number
  /** Price of everything that it was answered. */
  deliveredMicroUsd: bigint
  /** What our payee has got of it, as the chain says. */
  paidMicroUsd: bigint
  /** What it added to balances, of others too, that is used or was charged for good. */
  fundedMicroUsd: bigint
  /** What charges paid for work that was then paid otherwise: it is in its balance. */
  creditMicroUsd: bigint
  /** Delivered, and never captured: ids and the life of the cloud that answered them. */
  unpaid: { id: string; life: number; microUsd: bigint }[]
  /** Captured, and never answered. */
  unheard: string[]
  /** What the wallet itself counted as spent; for one that does not count, what it paid. */
  countedMicroUsd: bigint
  /** What else it has not any more: gas. */
  feesMicroUsd: bigint
  /** paid - delivered - funded - credit + unpaid. */
  differenceMicroUsd: bigint
}

/** Lets the time pass after which nothing is unfinished any more. */
export async function comeToRest({ cloud, buyers }: Market): Promise<void> {
  await cloud.alive()
  await cloud.sql(`update charge set created_at = created_at - interval '20 minutes'
    where state in ('authorized', 'broadcasting')`)
  await cloud.sql(`update session set opened_at = opened_at - interval '5 minutes'
    where status = 'opening'`)
  await cloud.sql(`update ledger_reservation set created_at = created_at - interval '6 minutes'
    where settled_at is null`)
  await cloud.sql('delete from periodic')
  await cloud.restart()
  await nothingUnfinished(cloud)
  for (const it of buyers) await closeSessions(cloud, it)
  await nothingUnfinished(cloud)
}

const nothingUnfinished = ({ sql }: MortalCloud) =>
  eventually(async () => {
    for (const [what, query] of Object.entries(unfinished)) {
      const rows = await sql(query)
      if (rows.length > 0) throw new Error(`${what}: ${JSON.stringify(rows[0])}`)
    }
  }, 60_000)

const unfinished = {
  'a charge is under way': "select * from charge where state in ('authorized', 'broadcasting')",
  'a session is half open': "select * from session where status in ('opening', 'closing')",
  'a receipt is due': 'select * from receipt_due',
  'something is held': 'select * from ledger_reservation where settled_at is null',
}

export interface Reckoning {
  accounts: Account[]
  /** What went back to payers when their sessions were closed. */
  refundedMicroUsd: bigint
  /** Everything that should not be so. */
  wrong: string[]
}

/** Compares what wallets know they got with what the chain says they paid, and the books of the cloud with both. */
export async function reckon({ cloud, buyers }: Market): Promise<Reckoning> {
  const { payments, refundedMicroUsd } = await onChain(cloud, buyers[0] as Buyer)
  const accounts = await Promise.all(buyers.map((it) => accountOf(cloud, it, payments)))
  const { commands, data } = cloud
  const books = await commands.jack(['reconcile', '--data', data])
  return {
    accounts,
    refundedMicroUsd,
    wrong: [
      ...accounts.flatMap(wrongOf),
      ...(await Promise.all(buyers.map(wrongBill))).flat(),
      ...(await Promise.all(buyers.map((it) => wrongApp(cloud, it)))).flat(),
      ...(books.exitCode === 0 ? [] : [`jack reconcile: ${books.stdout}${books.stderr}`]),
    ],
  }
}

function wrongOf({ name, differenceMicroUsd, unheard, unpaid, ...it }: Account): string[] {
  const inFlight = Map.groupBy(unpaid, ({ life }) => life)
  const tooMany = [...inFlight].filter(([, all]) => all.length > 1)
  return [
    ...(differenceMicroUsd === 0n ? [] : [`${name} paid ${toUsd(differenceMicroUsd)} too much`]),
    ...unheard.map((id) => `${name} paid for ${id}, of which it never heard`),
    ...tooMany.map(([life, all]) => `${name} got ${all.length} for nothing in life ${life}`),
    ...(it.countedMicroUsd < it.paidMicroUsd
      ? [
          `${name} counted ${toUsd(it.countedMicroUsd)} as spent, and paid ${toUsd(it.paidMicroUsd)}`,
        ]
      : []),
    ...(it.feesMicroUsd >= 0n && it.feesMicroUsd < mostFeesMicroUsd
      ? []
      : [`${name} lost ${toUsd(it.feesMicroUsd)} otherwise`]),
  ]
}

async function accountOf(cloud: MortalCloud, buyer: Buyer, payments: Payment[]): Promise<Account> {
  const { name, kind, how, account, bought, jack } = buyer
  const address = account.address.toLowerCase()
  const [row] = await cloud.sql(`select account_id from account where address = '${address}'`)
  const accountId = row?.account_id as string
  const captures = await cloud.sql(`select ref from ledger_transfer
    where account_id = '${accountId}' and kind in ('execution', 'deploy') and credit = 'revenue'`)
  const captured = new Set(captures.map((it) => it.ref as string))
  const answered = bought.filter((it) => it.answer.id !== undefined)
  const known = new Set(answered.map((it) => it.answer.id))
  const unpaid = answered
    .filter((it) => !captured.has(it.answer.id as string))
    .map(({ answer, life, microUsd }) => ({ id: answer.id as string, life, microUsd }))

  const deliveredMicroUsd = sum(answered.map((it) => it.microUsd))
  const paidMicroUsd = sum(payments.filter((it) => it.payer === address).map((it) => it.microUsd))
  const fundedMicroUsd =
    how === 'session'
      ? await used(cloud, accountId)
      : sum(bought.map(({ work }) => (work.what === 'fund' ? fromUsd(work.amountUsd) : 0n)))
  const creditMicroUsd = how === 'charge' ? await balance(cloud, accountId) : 0n
  const unpaidMicroUsd = sum(unpaid.map((it) => it.microUsd))
  const counted = await jack.wallet?.spent()
  return {
    name,
    how,
    answers: bought.length,
    deliveredMicroUsd,
    paidMicroUsd,
    fundedMicroUsd,
    creditMicroUsd,
    unpaid,
    unheard: [...captured].filter((it) => !known.has(it)),
    countedMicroUsd: kind === 'stock client' ? paidMicroUsd : fromUsd(counted?.totalUsd ?? '0'),
    feesMicroUsd: giftMicroUsd - (await fortune(cloud, buyer)) - paidMicroUsd,
    differenceMicroUsd:
      paidMicroUsd - deliveredMicroUsd - fundedMicroUsd - creditMicroUsd + unpaidMicroUsd,
  }
}

/** What its sessions added to balances and did not get back. */
async function used(cloud: MortalCloud, accountId: string): Promise<bigint> {
  const [row] = await cloud.sql(`select coalesce(sum(case when t.debit = 'session'
    then t.amount_micro_usd else -t.amount_micro_usd end), 0)::text as sum
    from ledger_transfer t join session s using (session_id)
    where s.account_id = '${accountId}' and 'available' in (t.debit, t.credit)`)
  return BigInt(row?.sum)
}

async function balance(cloud: MortalCloud, accountId: string): Promise<bigint> {
  const [row] = await cloud.sql(`select (available_micro_usd + held_micro_usd)::text as sum
    from ledger_account where account_id = '${accountId}'`)
  return BigInt(row?.sum)
}

interface Payment {
  payer: string
  microUsd: bigint
}

/** Everything that our payee got, by who paid it; read from the chain alone. */
async function onChain(
  cloud: MortalCloud,
  { jack, account }: Buyer,
): Promise<{ payments: Payment[]; refundedMicroUsd: bigint }> {
  const client = chainOf(cloud, account)
  const { chain } = await jack.paymentTerms()
  const [payee, token] = [chain?.payee, chain?.token] as [Hex, Hex]
  const all = { fromBlock: 0n, toBlock: 'latest' } as const
  const closed = await getContractEvents(client, {
    address: escrow,
    abi: escrowAbi,
    eventName: 'ChannelClosed',
    args: { payee },
    strict: true,
    ...all,
  })
  const transfers = await getContractEvents(client, {
    address: token,
    abi: erc20Abi,
    eventName: 'Transfer',
    args: { to: payee },
    strict: true,
    ...all,
  })
  const charged = await getLogs(client, {
    address: token,
    event: parseAbiItem(
      'event TransferWithMemo(address indexed from, address indexed to, uint256 amount, bytes32 indexed memo)',
    ),
    args: { to: payee },
    strict: true,
    ...all,
  })
  const payments = [
    ...closed.map(({ args }) => ({ payer: args.payer, microUsd: args.settledToPayee })),
    ...charged.map(({ args }) => ({ payer: args.from, microUsd: args.amount })),
  ].map((it) => ({ ...it, payer: it.payer.toLowerCase() }))
  const got = sum(transfers.map(({ args }) => args.value))
  if (got !== sum(payments.map((it) => it.microUsd)))
    throw new Error(`The payee got ${got}, of which nobody knows why.`)
  return { payments, refundedMicroUsd: sum(closed.map(({ args }) => args.refundedToPayer)) }
}

/** Recomputes a bill, once all receipts are there. */
async function wrongBill({ name, jack }: Buyer): Promise<string[]> {
  const verdict = await verifyBill(await jack.bill())
  return verdict.ok ? [] : [`the bill of ${name}: ${JSON.stringify(verdict.finding)}`]
}

/** What was deployed last has to be there. */
async function wrongApp({ alive }: MortalCloud, { name, bought }: Buyer): Promise<string[]> {
  await alive()
  const last = bought.findLast(({ work }) => work.what === 'deploy')
  if (!last) return []
  const response = await live(last.answer.deploymentUrl as string)
  const says = await response.text()
  // One that used up what it had asks to be paid.
  const isThere = says === last.work.key || response.status === 402
  return isThere ? [] : [`the app of ${name} answers ${response.status} ${says}`]
}

/** Of gas, for hundreds of transactions. */
const mostFeesMicroUsd = 2_000_000n

/** What the faucet gave. */
const giftMicroUsd = 1_000_000_000n

async function fortune(cloud: MortalCloud, { account }: Buyer): Promise<bigint> {
  const { token } = cloud.chain
  const { amount } = await Actions.token.getBalance(chainOf(cloud, account), {
    account: account.address,
    token,
  })
  return amount
}

const sum = (all: readonly bigint[]): bigint => all.reduce((a, b) => a + b, 0n)

/** The figures, for people. */
export function report({ cloud, kills }: Market, { accounts, ...it }: Reckoning): string {
  const total = (of: (account: Account) => bigint) => toUsd(sum(accounts.map(of)))
  const count = (of: (account: Account) => number) => accounts.reduce((n, it) => n + of(it), 0)
  const lines = {
    kills: sum(Object.values(kills).map(BigInt)),
    'slowest start, ms': cloud.slowestStartMs,
    wallets: accounts.length,
    'answered requests': count((it) => it.answers),
    'delivered, USD': total((it) => it.deliveredMicroUsd),
    'used of what was added to balances, USD': total((it) => it.fundedMicroUsd),
    'paid on chain, USD': total((it) => it.paidMicroUsd),
    'of that in balances, USD': total((it) => it.creditMicroUsd),
    'refunded on chain, USD': toUsd(it.refundedMicroUsd),
    'delivered and not paid': count((it) => it.unpaid.length),
    'paid and not delivered': count((it) => it.unheard.length),
    'difference, USD': total((it) => it.differenceMicroUsd),
  }
  const where = Object.entries(kills).map(([name, count]) => `  ${count} ${name}`)
  return [...Object.entries(lines).map((line) => line.join(': ')), ...where, ...it.wrong].join('\n')
}
