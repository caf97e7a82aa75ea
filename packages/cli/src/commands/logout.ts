import { createJack, JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { ask, clientId, discover } from '../login/AuthorizationServer.ts'
import { openSession } from '../session.ts'
import { changeUserConfig, readUserConfig } from '../userConfig.ts'

export default (command: Command) =>
  command.action(async () => {
    const { print, settings, configFile, signal } = await openSession(command, { unpaid: true })
    const url = settings.url.value
    const token = readUserConfig(configFile).tokens[url]
    const ended = token !== undefined && (await print.while('Ending', end(url, token, signal)))
    changeUserConfig(configFile, (config) => {
      delete config.tokens[url]
    })
    print.answer({ url, signed_out: token !== undefined, revoked: ended }, () => {
      print.note(
        token === undefined
          ? `You were not signed in to ${url}.`
          : ended
            ? `Signed out of ${url}. The token is worth nothing any more.`
            : `Signed out of ${url}. The token still works: jack token rm ends it.`,
      )
      if (process.env.JACK_TOKEN) print.note('JACK_TOKEN is still set in this shell.')
    })
  })

/** Ends what `jack login` got. Tokens that were made by hand go on, and so does every one while the cloud is away. */
async function end(url: string, token: string, signal: AbortSignal): Promise<boolean> {
  try {
    const server = await discover(url, signal)
    await ask(server.revocation_endpoint, { form: { client_id: clientId, token }, signal })
    await createJack({ url, token, retries: 0 }).me({ signal })
    return false
  } catch (error) {
    signal.throwIfAborted()
    return error instanceof JackError && error.code === 'unauthorized'
  }
}
