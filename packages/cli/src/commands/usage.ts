import { type Command, Option } from 'commander'
import { table, took, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .addOption(
      new Option('--per <unit>', 'how to add up')
        .choices(['minute', 'hour', 'day'])
        .default('hour'),
    )
    .option('--since <time>', 'a time, or how long ago: 2h, 7d', '24h')
    .action(async (given, query) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const usage = await print.while(
        'Reading usage',
        jack.projects.usage(session.project(), query, { signal }),
      )
      const row = (name: string, it: typeof usage.total) => [
        name,
        String(it.requests),
        String(it.errors),
        took(it.cpu_ms),
        usd(it.cost_usd),
      ]
      print.answer(usage, () =>
        print.out(
          table(
            [query.per, 'requests#', 'errors#', 'cpu#', 'cost#'],
            [
              ...usage.buckets.map((it) =>
                row(it.at.replace('T', ' ').replace(/:00(\.000)?Z$/, ''), it),
              ),
              row('total', usage.total),
            ],
          ),
        ),
      )
    })
