import type { Command } from 'commander'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('<deployment>', 'id of the version (jack deployments lists them)')
    .option('-p, --project <project>', 'name or id; default: the project of this folder')
    .action(async (deployment, { project }) => {
      const session = await openSession(command, { project })
      const { jack, print, signal } = session
      const live = await print.while(
        'Promoting',
        jack.projects.promote(session.project(), deployment, { signal }),
      )
      print.answer(live, () => {
        print.out(live.url)
        print.note(`${live.deployment_id} is live.`)
      })
    })
