import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { distance, table, took } from '../print.ts'
import { openSession } from '../session.ts'

export default function cron(command: Command): void {
  const project = [
    '-p, --project <project>',
    'name or id; default: the project of this folder',
  ] as const

  const ls = command
    .command('ls')
    .description('when each cron is due next, and how it went last')
    .option(...project)
  ls.action(async (options) => {
    const session = await openSession(ls, options)
    const { jack, print, signal } = session
    const answer = await print.while(
      'Reading the schedule',
      jack.projects.crons(session.project(), { signal }),
    )
    print.answer(answer, () => {
      if (answer.crons.length === 0) print.note('Nothing runs on a schedule.')
      else
        print.out(
          table(
            ['cron (UTC)', 'next', 'last', 'outcome'],
            answer.crons.map((it) => [
              it.cron,
              distance(it.next_at),
              distance(it.last_at),
              it.last_outcome ?? '',
            ]),
          ),
        )
    })
  })

  const run = command
    .command('run')
    .description('call the scheduled handler now')
    .argument('[cron]', 'which one, such as "*/5 * * * *"; default: the only one')
    .option(...project)
  run.action(async (cron: string | undefined, options) => {
    const session = await openSession(run, options)
    const { jack, print, signal } = session
    const name = session.project()
    const answer = await print.while(
      'Running',
      jack.projects.runCron(name, cron === undefined ? {} : { cron }, { signal }),
    )
    if (answer.outcome !== 'ok') {
      throw new JackError(
        'app_failed',
        `The scheduled handler failed: ${answer.error ?? answer.outcome}`,
        {
          next: [{ command: `jack logs ${name}`, when: 'to see what it threw' }],
        },
      )
    }
    print.answer(answer, () => print.note(`${answer.cron} ran for ${took(answer.duration_ms)}.`))
  })
}
