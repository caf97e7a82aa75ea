import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { paint, table } from '../print.ts'
import { openSession, type Session } from '../session.ts'
import { findWallet, originOf } from '../wallet/findWallet.ts'

export default (command: Command) =>
  command.action(async () => {
    const session = await openSession(command, { unpaid: true })
    const { print, settings, configFile } = session
    const { url, token, project, data } = settings
    const shown = {
      url,
      token: { ...token, value: token.value === undefined ? undefined : mask(token.value) },
      project,
      data,
      wallet: await wallet(session),
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

async function wallet(session: Session): Promise<{ value: string | undefined; origin: string }> {
  try {
    const found = await findWallet(session)
    return { value: found?.address, origin: found ? originOf(found.source) : 'not set' }
  } catch (error) {
    // One that cannot be read is no reason not to show the rest.
    if (error instanceof JackError) return { value: undefined, origin: error.message }
    throw error
  }
}

/** Enough of a token to tell it from others. */
export const mask = (token: string): string => (token.length > 16 ? `${token.slice(0, 8)}…` : '…')
