import { defaultUrl, JackError } from '@jackcloud/sdk'
import type { Place } from './project.ts'
import type { UserConfig } from './userConfig.ts'

/** A value and where it comes from. */
interface Setting<T extends string | undefined = string> {
  value: T
  origin: string
}

export interface Settings {
  url: Setting
  token: Setting<string | undefined>
  project: Setting<string | undefined>
  data: Setting
}

export interface Sources {
  flags: {
    url?: string | undefined
    token?: string | undefined
    project?: string | undefined
    data?: string | undefined
  }
  env: Record<string, string | undefined>
  place: Place
  user: UserConfig & { file: string }
  defaults: { data: string }
}

/** Flags over environment over `jack.json` over the user's config over defaults. */
export function resolveSettings({ flags, env, place, user, defaults }: Sources): Settings {
  const { jackJson, link } = place
  const url = first(
    [flags.url, '--url'],
    [env.JACK_URL, 'environment JACK_URL'],
    [jackJson?.url, jackJson?.file ?? ''],
    [user.url, user.file],
    [defaultUrl, 'default'],
  ) as Setting
  const at = normalUrl(url.value)
  const linked = link && normalUrl(link.url) === at ? link.project : undefined
  return {
    url: { ...url, value: at },
    token: first(
      [flags.token, '--token'],
      [env.JACK_TOKEN, 'environment JACK_TOKEN'],
      [user.tokens[at], user.file],
      [undefined, 'not set'],
    ),
    project: first(
      [flags.project, 'argument'],
      [env.JACK_PROJECT, 'environment JACK_PROJECT'],
      [jackJson?.name, jackJson?.file ?? ''],
      [linked, '.jack/project.json'],
      [undefined, 'not set'],
    ),
    data: first(
      [flags.data, '--data'],
      [env.JACK_DATA, 'environment JACK_DATA'],
      [defaults.data, 'default'],
    ) as Setting,
  }
}

const first = (...candidates: [string | undefined, string][]): Setting<string | undefined> => {
  const [value, origin] = candidates.find(([it]) => it !== undefined && it !== '') ??
    candidates.at(-1) ?? [undefined, 'not set']
  return { value, origin }
}

/** One spelling for each URL, since tokens are kept under it. */
export function normalUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const { origin, pathname } = new URL(url)
  return origin === 'null' ? url : origin + pathname.replace(/\/+$/, '')
}

/**
 * A token from the environment must not follow a URL that a stranger's repository chose. On this machine, in CI and for
 * a cloud that the user signed in to there is no such danger.
 *
 * @param sent what follows the URL: the token of the environment, any token, or the wallet's money. A wallet pays whom it
 *   is told to, so that in CI it has to be told by somebody else than the repository as well.
 */
export function refuseStrangeUrl(
  { url, token }: Settings,
  { env, place, user }: Sources,
  sent: 'environment token' | 'token' | 'wallet' = 'environment token',
): void {
  const chosenByRepository = place.jackJson?.file === url.origin
  const isSent = sent !== 'environment token' || token.origin === 'environment JACK_TOKEN'
  if (!chosenByRepository || !isSent) return
  const host = URL.canParse(url.value) ? new URL(url.value).hostname : ''
  const here =
    host === 'localhost' || host === '127.0.0.1' || host === '[::1]' || host.endsWith('.localhost')
  if (here || user.url === url.value || url.value in user.tokens) return
  if (sent !== 'wallet' && isCi(env)) return
  throw new JackError('usage', `jack.json wants to use ${url.value}, and ${consequence[sent]}.`, {
    hint: 'If that is what you want, say so with JACK_URL or --url.',
    next: [{ command: `jack login --url ${url.value}`, when: 'to sign in there' }],
  })
}

const consequence = {
  'environment token': 'JACK_TOKEN would be sent there',
  token: 'the token would be sent there',
  wallet: 'the wallet would pay there',
}

export const isCi = (env: Record<string, string | undefined>): boolean =>
  env.CI !== undefined && !['', '0', 'false'].includes(env.CI)
