import type { Command } from 'commander'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .option('--to <deployment>', 'go to this version; default: the one that was live before')
    .action(async (given, { to }) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const request = to === undefined ? {} : { deployment_id: to }
      const live = await print.while(
        'Rolling back',
        jack.projects.rollback(session.project(), request, { signal }),
      )
      print.answer(live, () => {
        print.out(live.url)
        print.note(
          `${live.deployment_id} is live${live.previous_deployment_id ? `, in place of ${live.previous_deployment_id}` : ''}.`,
        )
      })
    })
