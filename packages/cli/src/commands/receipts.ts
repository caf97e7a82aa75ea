import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { table, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .option('-n, --limit <count>', 'the newest so many (1 to 500)', '50')
    .option('--all', 'every one of them')
    .action(async ({ limit, all }) => {
      const { jack, print, signal } = await openSession(command)
      if (!/^\d+$/.test(limit) || Number(limit) < 1 || Number(limit) > 500) {
        throw new JackError('usage', `"${limit}" is not a number from 1 to 500.`)
      }
      const reading = all
        ? Array.fromAsync(jack.allReceipts({ limit: 200 }, { signal })).then((receipts) => ({
            receipts,
            next_cursor: null,
          }))
        : jack.receipts({ limit: Number(limit) }, { signal })
      const answer = await print.while('Reading receipts', reading)
      print.answer(answer, () =>
        print.out(
          table(
            ['at (UTC)', 'amount#', 'reason', 'project', 'for?'],
            answer.receipts.map((it) => [
              it.at.replace('T', ' ').slice(0, 19),
              usd(it.amount_usd),
              it.reason,
              it.project ?? '',
              it.period ? span(it.period) : (it.ref ?? ''),
            ]),
          ),
        ),
      )
    })

/** A day is said once. */
function span({ from, until }: { from: string; until: string }): string {
  const [, time] = until.split('T')
  const end = from.slice(0, 10) === until.slice(0, 10) ? time : until
  return `${from} to ${end}`
}
