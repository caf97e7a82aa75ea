import type { Command } from 'commander'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const { url } = await print.while(
        'Reading the project',
        jack.projects.get(session.project(), { signal }),
      )
      print.answer({ url }, () => print.out(url))
      if (!session.interactive) return
      const { default: open } = await import('open')
      const browser = await open(url)
      browser.on('error', () => print.note('No browser could be started: open the URL yourself.'))
    })
