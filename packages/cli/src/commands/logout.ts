import type { Command } from 'commander'
import { openSession } from '../session.ts'
import { changeUserConfig } from '../userConfig.ts'

export default (command: Command) =>
  command.action(async () => {
    const { print, settings, configFile } = await openSession(command, { unpaid: true })
    const url = settings.url.value
    let known = false
    changeUserConfig(configFile, (config) => {
      known = url in config.tokens
      delete config.tokens[url]
    })
    print.answer({ url, signed_out: known }, () => {
      print.note(
        known
          ? `Signed out of ${url}. The token still works: jack token rm ends it.`
          : `You were not signed in to ${url}.`,
      )
      if (process.env.JACK_TOKEN) print.note('JACK_TOKEN is still set in this shell.')
    })
  })
