import { createJack, type Jack, JackError, type JackOptions } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { defaultDataFolder, userConfigFile } from './folders.ts'
import { withMaxSpend } from './maxSpend.ts'
import { createPrint, type Print } from './print.ts'
import { findPlace, type Place } from './project.ts'
import { isCi, refuseStrangeUrl, resolveSettings, type Settings } from './settings.ts'
import { readUserConfig } from './userConfig.ts'
import { payingOptions } from './wallet/paying.ts'

/** What every command works with. */
export interface Session {
  print: Print
  settings: Settings
  place: Place
  configFile: string
  /** Somebody is there to answer questions. */
  interactive: boolean
  /** `--yes`: whatever would be asked is agreed to. */
  yes: boolean
  /** Ends with Ctrl-C. */
  signal: AbortSignal
  /** The wallet is who we are and what pays; null when a token is, or nothing. */
  wallet: JackOptions['account'] | null
  /** The client; made when first used. */
  readonly jack: Jack
  /** Throws when a repository chose the URL that a token is about to be sent to. */
  refuseStrangeUrl(sent?: 'token'): void
  /** The project that is meant, or an error that says how to name one. */
  project(): string
}

interface Given {
  project?: string | undefined
  data?: string | undefined
  /** The folder where to look for `jack.json`. Default: the current one and those above. */
  folder?: string | undefined
  /** Nothing is paid: the wallet is not looked for. */
  unpaid?: boolean
  /** Nobody is there to be asked: stdin carries something else. */
  unattended?: boolean
  /** Told after each call that was paid for what is left, in USD, of the session or the balance that paid. */
  onLeft?: (usd: string | undefined) => void
  /** A second Ctrl-C does not end the process at once. */
  patient?: boolean
}

/** Reads flags, environment and files once, at the beginning of a command. */
export async function openSession(command: Command, given: Given = {}): Promise<Session> {
  const options = command.optsWithGlobals()
  const configFile = userConfigFile()
  const sources = {
    flags: {
      project: given.project ?? options.project,
      data: given.data,
      url: options.url,
      token: options.token,
    },
    env: process.env,
    place: await findPlace(given.folder ?? process.cwd()),
    user: { ...readUserConfig(configFile), file: configFile },
    defaults: { data: defaultDataFolder() },
  }
  const settings = resolveSettings(sources)
  const json = options.json === true
  const maxSpend: string | undefined = options.maxSpend
  const yes = options.yes === true
  const ctrlC = interruption(given.patient ?? false)
  const print = createPrint({ json, verbose: options.verbose === true })
  const interactive =
    !given.unattended &&
    Boolean(process.stdin.isTTY && process.stderr.isTTY) &&
    !json &&
    !yes &&
    !isCi(process.env)
  const paying = given.unpaid
    ? null
    : await payingOptions({
        print,
        configFile,
        interactive,
        settings,
        limits: sources.user.limits,
        wanted: options.wallet === true,
        maxSpend,
        onLeft: given.onLeft,
      })
  let jack: Jack | undefined
  return {
    print,
    settings,
    place: sources.place,
    configFile,
    interactive,
    wallet: paying?.account ?? null,
    yes,
    signal: ctrlC,
    get jack() {
      if (!jack) {
        refuseStrangeUrl(settings, sources, paying ? 'wallet' : undefined)
        jack = createJack({
          url: settings.url.value,
          retries: 2,
          fetch: given.onLeft ? tellingLeft(given.onLeft) : fetchHere,
          ...(paying ?? { token: settings.token.value }),
          ...(!paying && maxSpend !== undefined && { fetch: withMaxSpend(fetchHere, maxSpend) }),
        })
      }
      return jack
    },
    refuseStrangeUrl: (sent) => refuseStrangeUrl(settings, sources, sent),
    project() {
      if (settings.project.value !== undefined) return settings.project.value
      throw new JackError('usage', 'Which project?', {
        hint: 'Name it, such as -p my-api, or go to the folder that you deployed it from.',
        next: [{ command: 'jack ls', when: 'to see your projects' }],
      })
    },
  }
}

/** The SDK's `fetch` for Node, loaded only for names that Node cannot resolve. */
export const fetchHere = async (input: string, init: RequestInit): Promise<Response> => {
  if (!new URL(input).hostname.endsWith('.localhost')) return fetch(input, init)
  const { localFetch } = await import('@jackcloud/sdk/node')
  return localFetch(input, init)
}

/** The same, telling what the balance that paid has left. */
const tellingLeft =
  (onLeft: (usd: string) => void): typeof fetchHere =>
  async (input, init) => {
    const response = await fetchHere(input, init)
    const left = response.headers.get('jack-balance-usd')
    if (left !== null) onLeft(left)
    return response
  }

/** Ctrl-C once ends what is going on; twice ends the process. */
function interruption(patient: boolean): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort(new DOMException('Interrupted.', 'AbortError'))
    if (!patient) process.once('SIGINT', () => process.exit(130))
  })
  return controller.signal
}
