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
      const { name, project_id, url } = await jack.projects.get(session.project(), { signal })
      if (session.interactive) {
        print.note(`${name} (${url}), its versions, settings and logs will be gone for good.`)
        await askText(`Type ${name} to delete it`, (text) =>
          text === name ? undefined : 'That is another name.',
        )
      } else if (!session.yes) {
        throw new JackError('usage', `Deleting ${name} has to be confirmed.`, {
          hint: 'Nobody is there to ask: pass --yes.',
          next: [{ command: `jack rm ${name} --yes`, when: 'to delete it for good' }],
        })
      }
      const deleted = await print.while('Deleting', jack.projects.delete(project_id, { signal }))
      print.answer(deleted, () => print.note(`${name} is deleted.`))
    })
