import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { paint } from '../print.ts'
import { slugify } from '../project.ts'
import { openSession } from '../session.ts'
import { chooseTemplate, copyTemplate, listText } from '../template.ts'

export default (command: Command) =>
  command
    .argument('<name>', 'of the project and its folder')
    .option('-t, --template <template>', 'which one; asked when left out')
    .addHelpText('after', `\nTemplates:\n${listText()}`)
    .action(async (given: string, options: { template?: string }) => {
      const session = await openSession(command, { unpaid: true })
      const { print } = session
      const folder = resolve(given)
      const template = await chooseTemplate(session, options.template)
      const name = slugify(basename(folder))
      const files = await copyTemplate(template, folder, name)
      print.answer({ name, template, folder, files }, () => {
        print.note(`${paint('green', 'Made')} ${given} from ${template}.`)
        print.note(
          `${paint('cyan', 'next')} ${paint('bold', `cd ${given} && jack deploy`)}  ${paint('dim', 'to put it on a live URL')}`,
        )
      })
    })
