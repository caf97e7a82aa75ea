import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { askText } from '../ask.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const project = session.project()
      if (!session.interactive && !session.yes) throw unconfirmed(project)
      const { name, project_id, url } = await jack.projects.get(project, { signal })
      if (!session.yes) {
        print.note(`${name} (${url}), its versions, settings, logs and data will be gone for good.`)
        await askText(`Type ${name} to delete it`, (text) =>
          text === name ? undefined : 'That is another name.',
        )
      }
      const deleted = await print.while('Deleting', jack.projects.delete(project_id, { signal }))
      print.answer(deleted, () => print.note(`${name} is deleted.`))
    })

const unconfirmed = (project: string) =>
  new JackError('usage', `Deleting ${project} has to be confirmed.`, {
    hint: 'Nobody is there to ask: pass --yes.',
    next: [{ command: `jack rm ${project} --yes`, when: 'to delete it for good' }],
  })
