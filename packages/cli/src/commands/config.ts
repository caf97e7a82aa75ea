import type { Command } from 'commander'
import { paint, table } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command.action(async () => {
    const { print, settings, configFile } = await openSession(command)
    const { url, token, project, data } = settings
    const shown = {
      url,
      token: { ...token, value: token.value === undefined ? undefined : mask(token.value) },
      project,
      data,
    }
    const orNull = Object.entries(shown).map(([name, { value, origin }]) => [
      name,
      { value: value ?? null, origin },
    ])
    print.answer({ ...Object.fromEntries(orNull), config_file: configFile }, () =>
      print.out(
        table(
          ['setting', 'value', 'from'],
          [
            ...Object.entries(shown).map(([name, { value, origin }]) => [
              name,
              value ?? '',
              paint('dim', origin, process.stdout),
            ]),
            ['config file', configFile],
          ],
        ),
      ),
    )
  })

/** Enough of a token to tell it from others. */
export const mask = (token: string): string => (token.length > 16 ? `${token.slice(0, 8)}…` : '…')
