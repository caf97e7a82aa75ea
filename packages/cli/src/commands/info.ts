import type { Command } from 'commander'
import { distance, listing, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const project = session.project()
      const [it, { crons }] = await print.while(
        'Reading the project',
        Promise.all([
          jack.projects.get(project, { signal }),
          jack.projects.crons(project, { signal }),
        ]),
      )
      print.answer({ ...it, crons }, () => {
        print.out(
          listing([
            ['name', it.name],
            ['url', it.url],
            ['status', it.reason ? `${it.status}: ${it.reason}` : it.status],
            ['live', it.live_deployment_id],
            ...crons.map((cron): [string, string] => [
              'cron',
              `${cron.cron} (${cron.next_at ? `next ${distance(cron.next_at)}` : 'never again'})`,
            ]),
            ['budget', usd(it.budget_usd)],
            ['expires', it.expires_at && `${it.expires_at} (${distance(it.expires_at)})`],
            ['kept until', it.kept_until && `${it.kept_until} (${distance(it.kept_until)})`],
            ['created', `${it.created_at} (${distance(it.created_at)})`],
            ['updated', `${it.updated_at} (${distance(it.updated_at)})`],
            ['id', it.project_id],
          ]),
        )
        for (const warning of it.warnings) print.warn(warning)
      })
    })
