import { createJack, JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { askSecret, readStdin } from '../ask.ts'
import { paint } from '../print.ts'
import { openSession, type Session } from '../session.ts'
import { changeUserConfig } from '../userConfig.ts'

export default (command: Command) =>
  command
    .addHelpText(
      'after',
      '\n  jack login --token -    reads the token from stdin\n  jack login --url https://jack.example.com',
    )
    .action(async () => {
      const session = await openSession(command, { unpaid: true })
      const { print, signal, configFile } = session
      const url = session.settings.url.value
      const given = command.optsWithGlobals().token as string | undefined
      if (given !== undefined || process.env.JACK_TOKEN) session.refuseStrangeUrl('token')
      const token =
        given === '-'
          ? await readStdin()
          : (given ?? (process.env.JACK_TOKEN || (await ask(session))))
      const me = await print.while(
        'Signing in',
        createJack({ url, token: token.trim(), retries: 2 }).me({ signal }),
      )
      changeUserConfig(configFile, (config) => {
        config.url = url
        config.tokens[url] = token.trim()
      })
      print.answer({ url, account: me.slug, scopes: me.token?.scopes ?? null }, () => {
        print.note(`Signed in to ${url} as ${paint('bold', me.slug)}.`)
        print.note(paint('dim', `The token is kept in ${configFile}.`))
      })
    })

async function ask({ interactive, settings }: Session): Promise<string> {
  // Whoever is asked must see who will get it: the URL may be the choice of a repository.
  if (interactive) return askSecret(`Token for ${settings.url.value} (jkt_...)`)
  throw new JackError('usage', 'Which token?', {
    hint: 'Pipe it in: jack login --token - < token.txt',
    next: [{ command: 'jack up', when: 'to start a Jack Cloud here; it signs you in' }],
  })
}
