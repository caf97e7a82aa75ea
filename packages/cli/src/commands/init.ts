import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { paint } from '../print.ts'
import { slugify } from '../project.ts'
import { openSession } from '../session.ts'
import { chooseTemplate, copyTemplate, listing, listText } from '../template.ts'

export default (command: Command) =>
  command
    .argument(
      '[template]',
      'which one; when left out, asked on a terminal, else all of them are listed',
    )
    .option('-n, --name <name>', "the project's name; default: from the folder")
    .addHelpText('after', `\nTemplates:\n${listText()}`)
    .action(async (given: string | undefined, options: { name?: string }) => {
      const session = await openSession(command, { unpaid: true })
      const { print } = session
      if (given === undefined && !session.interactive)
        return print.answer({ templates: listing }, () => print.out(listText()))
      const folder = resolve('.')
      const template = await chooseTemplate(session, given)
      const name = options.name ?? slugify(basename(folder))
      const files = await copyTemplate(template, folder, name)
      print.answer({ name, template, folder, files }, () => {
        print.note(`${paint('green', 'Made')} ${files.length} files from ${template}.`)
        print.note(
          `${paint('cyan', 'next')} ${paint('bold', 'jack deploy')}  ${paint('dim', 'to put it on a live URL')}`,
        )
      })
    })
