import { resolve } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { exit } from '../exit.ts'
import { distance, listing, paint } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('<url>', 'the live URL of a project or of one version')
    .argument('[dir]', 'the folder', '.')
    .addHelpText(
      'after',
      '\nCompared are code, static files and settings (variables, bindings, dates). The environment of the project\n' +
        '(`jack env`) is no part of a version. Ends with 5 when something differs.',
    )
    .action(async (url: string, dir: string) => {
      const folder = resolve(dir)
      if (!URL.canParse(url)) {
        throw new JackError('usage', `"${url}" is not a URL.`, {
          hint: 'It looks like https://brave-otter-my-api.jack.example.',
          next: [{ command: 'jack ls', when: 'to see the URLs of your projects' }],
        })
      }
      const { print, signal } = await openSession(command, { folder })
      const { verifyProgram } = await import('@jackcloud/sdk/node')
      const { readProgram } = await import('@jackcloud/bundler')
      const program = await print.while('Bundling', readProgram(folder))
      const it = await print.while('Asking', verifyProgram(url, program, { signal }))
      print.answer(it, () => {
        const names = { code: 'code', assets: 'static files', settings: 'settings' } as const
        const verdict = it.same
          ? paint('green', 'same', process.stdout)
          : paint('red', 'differs', process.stdout)
        print.out(
          listing([
            ['verdict', verdict],
            ...Object.entries(it.parts).map(([part, how]): [string, string] => [
              names[part as keyof typeof names],
              how === 'unknown' ? 'not compared, since the code differs' : how,
            ]),
            ['digest', it.digest],
            ['live digest', it.same ? null : it.live_digest],
            ['live version', `${it.deployment_id} (${distance(it.deployed_at)})`],
          ]),
        )
        print.note(
          it.same
            ? 'This URL runs exactly this code. Environment values of the project are not compared.'
            : 'This URL runs something else. The same program and version of jack make the same digest anywhere.',
        )
      })
      if (!it.same) process.exitCode = exit.conflict
    })
