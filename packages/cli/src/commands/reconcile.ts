import { text } from 'node:stream/consumers'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { exit } from '../exit.ts'
import { askOperator } from '../operator.ts'
import { listing, paint, plain, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .option('--data <dir>', 'where the cloud keeps everything (JACK_DATA)')
    .option('--since <when>', 'leave out what was on chain before: 2026-11-21, 7d')
    .addHelpText(
      'after',
      '\nCompares the ledger with itself, and sessions and charges with the chain. Changes nothing. Ends with 1 when\n' +
        'something differs.',
    )
    .action(async ({ data: given, since }: { data?: string; since?: string }) => {
      const { print, settings, signal } = await openSession(command, { unpaid: true, data: given })
      const asking = ask(settings.data.value, since, signal)
      const answer = await print.while('Comparing books and chain', asking)
      print.answer(answer, () => {
        print.out(listing(summary(answer)))
        for (const it of answer.differences) print.out(`\n${said(it)}`)
        print.note(
          answer.differences.length === 0
            ? 'Books and chain agree, to the micro-dollar.'
            : `${answer.differences.length} of them differ.`,
        )
      })
      if (answer.differences.length > 0) process.exitCode = exit.other
    })

interface Difference {
  what: string
  subject: string
  amount_usd: string | null
  detail: string
  advice: string
}

interface Answer {
  chain_id: number
  since: string | null
  differences: Difference[]
  sessions: { open: number; closing: number; closed: number }
  deposit_usd: string
  spent_usd: string
  held_usd: string
  unused_usd: string
  at_risk_usd: string
  settled_usd: string
  charged_usd: string
  lost_usd: string
  income_usd: string
}

async function ask(data: string, since: string | undefined, signal: AbortSignal): Promise<Answer> {
  const query = since === undefined ? '' : `?${new URLSearchParams({ since })}`
  const response = await askOperator(data, `/reconcile${query}`, signal)
  const answer = JSON.parse(await text(response))
  if (response.statusCode === 200) return answer
  throw new JackError(answer.code, answer.detail, { hint: answer.hint, next: answer.next })
}

function summary(it: Answer): [string, string | number | null][] {
  const { open, closing, closed } = it.sessions
  return [
    ['chain', it.chain_id],
    ['since', it.since],
    ['sessions', `${open} open, ${closing} closing, ${closed} closed`],
    ['deposited in open ones', usd(it.deposit_usd)],
    ['spent of that', usd(it.spent_usd)],
    ['held', usd(it.held_usd)],
    ['unused in balances', usd(it.unused_usd)],
    ['spent, not settled yet', usd(it.at_risk_usd)],
    ['taken from sessions', usd(it.settled_usd)],
    ['paid by charges', usd(it.charged_usd)],
    ['lost', Number(it.lost_usd) === 0 ? null : usd(it.lost_usd)],
    ['came to the payee', usd(it.income_usd)],
  ]
}

const said = ({ what, subject, amount_usd, detail, advice }: Difference): string =>
  [
    `${paint(['red', 'bold'], what, process.stdout)}${amount_usd === null ? '' : ` ${usd(amount_usd)}`}  ${plain(subject)}`,
    `  ${plain(detail)}`,
    `  ${advice}`,
  ].join('\n')
