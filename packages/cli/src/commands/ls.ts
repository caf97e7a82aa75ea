import type { Command } from 'commander'
import { distance, paint, table } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command.action(async () => {
    const { jack, print, signal } = await openSession(command)
    const projects = await print.while(
      'Reading projects',
      Array.fromAsync(jack.projects.all({ limit: 200 }, { signal })),
    )
    print.answer({ projects, next_cursor: null }, () => {
      if (projects.length === 0) {
        print.note('No projects yet.')
        print.note(
          `${paint('cyan', 'next')} ${paint('bold', 'jack deploy')}  to put this folder on a live URL`,
        )
        return
      }
      print.out(
        table(
          ['name', 'status', 'url', 'updated?', 'expires'],
          projects.map((it) => [
            it.name,
            it.status,
            it.url,
            distance(it.updated_at),
            distance(it.expires_at),
          ]),
        ),
      )
      for (const warning of projects.flatMap((it) => it.warnings)) print.warn(warning)
    })
  })
