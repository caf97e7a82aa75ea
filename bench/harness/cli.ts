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
