import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { JackError } from '@jackcloud/sdk'
import { choose } from './ask.ts'
import type { Session } from './session.ts'

const templates = {
  worker: 'one file that answers requests',
  'hono-api': 'a JSON API with Hono',
  'static-site': 'HTML, CSS and nothing else',
  'spa-vite': 'one page with routes, in TypeScript, built by Vite',
  fullstack: 'an API and the page that calls it',
  'd1-todo': 'an API that keeps its data in SQL, with migrations',
  'chat-websocket': 'a chat over WebSockets, with rooms that remember',
  'cron-job': 'something that is done every five minutes, and its results',
  'mcp-server': 'tools for agents, over MCP',
  'paid-api': 'an API that its callers pay by the request (HTTP 402)',
} as const

export type Template = keyof typeof templates

const names = Object.keys(templates) as Template[]

/** Every template with the sentence that says what it is. */
export const listing = names.map((name) => ({ name, is: templates[name] }))

export const listText = (): string =>
  listing.map(({ name, is }) => `  ${name.padEnd(14)}  ${is}`).join('\n')

/** The template that was named or is chosen now; without anybody to ask, the simplest. */
export async function chooseTemplate(
  { interactive }: Session,
  named: string | undefined,
): Promise<Template> {
  if (named === undefined) {
    if (!interactive) return 'worker'
    return choose(
      'Which template?',
      listing.map(({ name, is }) => ({ value: name, label: name, hint: is })),
    )
  }
  if (names.includes(named as Template)) return named as Template
  throw new JackError('usage', `There is no template ${named}.`, {
    hint: `There are ${names.join(', ')}.`,
  })
}

/** Writes the files of a template, under the project's name. Overwrites nothing. */
export async function copyTemplate(
  template: Template,
  folder: string,
  name: string,
): Promise<string[]> {
  const source = fileURLToPath(new URL(`../templates/${template}/`, import.meta.url))
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name))
    .map((from) => ({
      from,
      path: from
        .slice(source.length)
        .replaceAll('\\', '/')
        .replace(/(^|\/)gitignore$/, '$1.gitignore'),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
  const there = files.filter(({ path }) => existsSync(join(folder, path))).map(({ path }) => path)
  if (there.length > 0) {
    throw new JackError(
      'conflict',
      `${there.join(', ')} ${there.length > 1 ? 'are' : 'is'} there already.`,
      {
        hint: 'Nothing was overwritten. Use an empty folder.',
        next: [{ command: 'jack new my-app', when: 'to make a folder of its own' }],
      },
    )
  }
  for (const { from, path } of files) {
    const to = join(folder, path)
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, named(path, await readFile(from, 'utf8'), name))
  }
  return files.map(({ path }) => path)
}

/** The few places where a template carries its project's name. */
function named(path: string, text: string, name: string): string {
  if (path === 'README.md') return text.replace(/^# .*/, `# ${name}`)
  if (path !== 'package.json' && path !== 'jack.json') return text
  return text.replace(/("name":\s*)"[^"]*"/, `$1${JSON.stringify(name)}`)
}
