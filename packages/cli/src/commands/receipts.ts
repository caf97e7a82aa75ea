import { readFileSync } from 'node:fs'
import { JackError } from '@jackcloud/sdk'
import type { Bill, Receipt, Totals } from '@jackcloud/sdk/wire'
import type { Command } from 'commander'
import { exit } from '../exit.ts'
import { compareAndRemember, type KeyState, knownCloudsFile } from '../knownClouds.ts'
import { listing, type Print, paint, table, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) => {
  command
    .option('-n, --limit <count>', 'the newest so many (1 to 500)', '50')
    .option('--all', 'every one of them')
    .action(async ({ limit, all }) => {
      const { jack, print, signal } = await openSession(command)
      if (!/^\d+$/.test(limit) || Number(limit) < 1 || Number(limit) > 500) {
        throw new JackError('usage', `"${limit}" is not a number from 1 to 500.`)
      }
      const reading = all
        ? Array.fromAsync(jack.allReceipts({ limit: 500 }, { signal })).then((receipts) => ({
            receipts,
            next_cursor: null,
          }))
        : jack.receipts({ limit: Number(limit) }, { signal })
      const answer = await print.while('Reading receipts', reading)
      print.answer(answer, () => print.out(receiptTable(answer.receipts)))
    })

  const save = command
    .command('export')
    .description('everything that it takes to verify them, as one JSON object')
    .addHelpText('after', '\nExample: jack receipts export > bill.json')
  save.action(async () => {
    const { jack, print, signal } = await openSession(save)
    const bill = await print.while('Reading receipts', jack.bill({ signal }))
    print.answer(bill, () => print.out(JSON.stringify(bill)))
  })

  const verify = command
    .command('verify')
    .description('recompute the whole bill here, and name the first thing that does not add up')
    .argument('[file]', 'what `jack receipts export` saved; default: the bill as it is now')
    .addHelpText(
      'after',
      '\nA file is verified without any network. Ends with 1 when something does not add up.',
    )
  verify.action(async (file: string | undefined) => {
    const session = await openSession(verify)
    const { print, signal, configFile } = session
    const { rules, verifyBill } = await import('@jackcloud/sdk/wire')
    const bill =
      file === undefined
        ? await print.while('Reading receipts', session.jack.bill({ signal }))
        : readBill(file)
    const verdict = await print.while('Verifying', verifyBill(bill))
    if (!verdict.ok) return refuse(print, verdict.finding, rules[verdict.finding.rule])
    const url = file === undefined ? session.settings.url.value : bill.statement.cloud
    const seen = { url, totals: verdict.totals, receipts: bill.receipts }
    const whole = file === undefined
    const known = knownCloudsFile(configFile)
    const { key, finding } = compareAndRemember(known, seen, whole)
    if (finding) {
      refuse(print, finding, 'what was verified before does not change')
      print.note(`A cloud that was restored from a backup is another one: then delete ${known}.`)
      return
    }
    print.answer({ ok: true, cloud: url, ...verdict.totals, key }, () => {
      print.out(summary(verdict.totals))
      say(print, key, url, verdict.totals)
    })
  })
}

function receiptTable(receipts: Receipt[]): string {
  return table(
    ['no#', 'at (UTC)', 'amount#', 'reason', 'project', 'balance#?', 'paid by', 'for?'],
    receipts.map((it) => [
      String(it.position),
      it.at.replace('T', ' ').slice(0, 19),
      usd(it.amount_usd),
      it.reason,
      it.project ?? '',
      usd(it.balance_usd),
      payerOf(it),
      it.period ? span(it.period) : (it.refund_of ?? it.ref ?? ''),
    ]),
  )
}

/** What paid, or got it back; nothing for what comes into the balance from outside. */
function payerOf({ session_id, amount_usd }: Receipt): string {
  if (session_id !== null) return `session …${session_id.slice(-6)}`
  return amount_usd.startsWith('-') ? 'balance' : ''
}

/** A day is said once. */
function span({ from, until }: { from: string; until: string }): string {
  const [, time] = until.split('T')
  const end = from.slice(0, 10) === until.slice(0, 10) ? time : until
  return `${from} to ${end}`
}

/** A bill in a file; nothing is sure of it but that it is JSON and looks like one. */
function readBill(file: string): Bill {
  const text = readFileSync(file, 'utf8')
  let bill: Partial<Bill> | null
  try {
    bill = JSON.parse(text)
  } catch {
    bill = null
  }
  if (bill?.statement && Array.isArray(bill.receipts)) return bill as Bill
  throw new JackError('usage', `${file} is not a bill.`, {
    hint: 'It takes receipts together with a statement and keys.',
    next: [{ command: 'jack receipts export > bill.json', when: 'to save one' }],
  })
}

interface Found {
  rule: string
  position: number | null
  receipt_id: string | null
  expected: string
  found: string
}

function refuse(print: Print, finding: Found, means: string): void {
  process.exitCode = exit.other
  print.answer({ ok: false, finding: { ...finding, means } }, () => {
    const { position, receipt_id, expected, found } = finding
    const where = position === null ? 'the statement or a key' : `receipt ${position}`
    print.out(
      listing([
        ['verdict', paint('red', 'does not add up', process.stdout)],
        ['first at', receipt_id === null ? where : `${where} (${receipt_id})`],
        ['rule', `${means} (${finding.rule})`],
        ['expected', expected],
        ['found', found],
      ]),
    )
  })
}

function summary(it: Totals): string {
  const day = (at: string | null) => at?.slice(0, 10) ?? ''
  const sessions = `${usd(it.taken_usd)} of ${it.sessions}`
  const sums = Object.entries(it.by_reason).map(([reason, sum]) => [reason, usd(sum)])
  return [
    listing([
      ['verdict', paint('green', 'adds up', process.stdout)],
      ['account', it.account_id],
      ['receipts', it.from ? `${it.receipts}, ${day(it.from)} to ${day(it.until)}` : '0'],
      ['spent', usd(it.spent_usd)],
      ['balance', usd(it.balance_usd)],
      ['sessions', it.sessions > 0 ? sessions : null],
      ['without detail', it.without_detail > 0 ? it.without_detail : null],
    ]),
    ...(sums.length > 0 ? ['', table(['reason', 'sum#'], sums)] : []),
  ].join('\n')
}

/** What a signature is worth: as much as its key. */
function say(print: Print, key: KeyState, url: string, { key_ids }: Totals): void {
  const ids = key_ids.join(', ')
  if (key === 'known')
    print.note(
      'Signed with keys that this cloud had before. Nothing that was verified before has changed.',
    )
  else if (key === 'new')
    print.note(`The first bill of ${url} that was verified here. Its key is remembered: ${ids}`)
  else
    print.warn(
      `${url} signs with a key that was not seen before: ${ids}. Ask whoever runs it whether it has a new one; it is remembered from now on.`,
    )
}
