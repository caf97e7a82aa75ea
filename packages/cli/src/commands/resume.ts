import type { Command } from 'commander'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const it = await print.while('Resuming', jack.projects.resume(session.project(), { signal }))
      print.answer(it, () => {
        print.out(it.url)
        print.note(`${it.name} answers again.`)
      })
    })
