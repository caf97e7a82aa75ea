import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (file: string) => fileURLToPath(new URL(`../../packages/cli/${file}`, import.meta.url))

/** What `jack` is, as arguments to Node: the built one if there is one, since that is what users get from npm. */
export const jack: string[] = existsSync(path('dist/bin.js'))
  ? [path('dist/bin.js')]
  : ['--conditions=jack:src', path('src/bin.ts')]

export const whichJack: string =
  jack.length === 1
    ? 'built: packages/cli/dist'
    : 'from source, which npm users do not have: run pnpm build'

/** As in a terminal of somebody who has used neither `jack` nor wrangler before, without what this shell has set. */
export function environment(home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(JACK_|XDG_|CLOUDFLARE_|WRANGLER_|CI$|NODE_OPTIONS$)/.test(name),
  )
  return { ...Object.fromEntries(kept), HOME: home, WRANGLER_SEND_METRICS: 'false' }
}
