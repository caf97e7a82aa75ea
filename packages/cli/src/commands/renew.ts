import type { Command } from 'commander'
import { hours } from '../duration.ts'
import { distance } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .option(
      '--ttl <time>',
      'expire after 24h, 7d ...; "none": after a week without use; default: as before',
    )
    .action(async (given, { ttl }) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const request = ttl === undefined ? {} : { ttl_hours: ttl === 'none' ? null : hours(ttl) }
      const it = await print.while(
        'Renewing',
        jack.projects.renew(session.project(), request, { signal }),
      )
      print.answer(it, () => {
        print.out(it.url)
        print.note(
          it.expires_at === null
            ? `${it.name} never expires.`
            : `${it.name} expires ${distance(it.expires_at)} (${it.expires_at})${it.ttl_hours === null ? ' unless it is used' : ''}.`,
        )
      })
    })
