import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { listing, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .option(
      '--total <usd>',
      'the most that it may ever spend on runtime; "none" takes the limit away',
    )
    .option(
      '--daily <usd>',
      'the most that it may spend on a day in UTC; "none" takes the limit away',
    )
    .action(async (given, { total, daily }) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const project = session.project()
      const change = {
        ...(total !== undefined && { budget_usd: limit(total) }),
        ...(daily !== undefined && { daily_budget_usd: limit(daily) }),
      }
      const changed =
        Object.keys(change).length > 0
          ? await print.while('Setting', jack.projects.update(project, change, { signal }))
          : undefined
      const { budget } = await print.while(
        'Reading budgets',
        jack.projects.usage(project, { since: '1h' }, { signal }),
      )
      print.answer(budget, () => {
        print.out(
          listing([
            ['total', usd(budget.budget_usd) || 'none'],
            ['spent', usd(budget.spent_usd)],
            ['daily', usd(budget.daily_budget_usd) || 'none'],
            ['today', usd(budget.spent_today_usd)],
            ['included', `${usd(budget.included_left_usd)} left of ${usd(budget.included_usd)}`],
          ]),
        )
        if (changed?.suspension) print.warn(`It is suspended. ${changed.suspension.reason}`)
      })
    })

const limit = (text: string): string | null => (text === 'none' ? null : amount(text))
