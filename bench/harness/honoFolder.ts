import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { newFolder } from './processes.ts'
import { honoApp } from './programs.ts'

const manifest = findPackageJSON('hono', import.meta.url) as string

/** The one that this workspace has installed. */
export const honoVersion = (): string => JSON.parse(readFileSync(manifest, 'utf8')).version

/** A folder with the Hono app, its dependency installed, ready for `jack deploy` and for `wrangler deploy`. */
export function honoFolder(): { folder: string; write(version: string): void } {
  const folder = join(newFolder(), 'todo-api')
  const write = (version: string) => writeFileSync(join(folder, 'src/index.ts'), honoApp(version))
  mkdirSync(join(folder, 'src'), { recursive: true })
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(dirname(manifest), join(folder, 'node_modules/hono'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'todo-api', type: 'module', dependencies: { hono: honoVersion() } }),
  )
  writeFileSync(
    join(folder, 'wrangler.jsonc'),
    JSON.stringify({ name: 'todo-api', main: 'src/index.ts', compatibility_date: '2026-07-01' }),
  )
  write('0')
  return { folder, write }
}
