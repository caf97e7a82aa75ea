import { resolve } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { distance, paint } from '../print.ts'
import { openSession } from '../session.ts'
import { unpackBackup } from '../unpackBackup.ts'

export default (command: Command) =>
  command
    .argument('<file>', 'what jack backup made')
    .requiredOption('--data <dir>', 'a folder that is empty or new')
    .action(async (file: string, options: { data: string }) => {
      const { print } = await openSession(command, { unpaid: true, data: options.data })
      const data = resolve(options.data)
      const backup = await print.while('Unpacking', unpackBackup(resolve(file), data))
      if (!backup) {
        throw new JackError('conflict', `${data} is not empty.`, {
          hint: 'A backup is restored into a folder of its own, so that nothing is overwritten.',
        })
      }
      print.answer({ data, made_at: backup.made_at, files: backup.files }, () => {
        print.out(data)
        print.note(`Every file is as it was saved ${distance(backup.made_at)} (${backup.made_at}).`)
        print.note(
          `${paint('cyan', 'next')} ${paint('bold', `jack up --data ${data}`)}  ${paint('dim', 'to load the database and serve it')}`,
        )
      })
    })
