import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromSource, temporaryHome, type Up, up } from '../tests/harness.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const home = temporaryHome('docs')
let cloud: Up
beforeAll(async () => {
  await chmod(home.path, 0o711)
  cloud = await up(home, join(home.path, 'cloud'))
  await mkdir(join(home.path, 'bin'))
  const jack = fromSource.map((it) => `'${it}'`).join(' ')
  // Whoever follows a log never comes to an end.
  const command = (more: string) =>
    `#!/bin/bash\n${more}\nfor it; do [ "$it" = -f ] || given+=("$it"); done\nexec ${jack} "\${given[@]}"\n`
  await writeFile(join(home.path, 'bin', 'jack'), command(''), { mode: 0o755 })
  await writeFile(join(home.path, 'bin', 'pnpm'), command('shift'), { mode: 0o755 })
})
afterAll(async () => {
  await cloud.stop()
  await home.remove()
})

/** Fenced blocks of a language that follow a `<!-- run -->`. */
async function snippets(page: string, language: string): Promise<string[]> {
  const text = await readFile(join(root, page), 'utf8')
  const blocks = text.matchAll(new RegExp(`<!-- run -->\\n+\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))
  return [...blocks].map(([, code]) => code as string)
}

async function run(command: string, args: string[], cwd = home.path): Promise<string> {
  const { stdout } = await execa(command, args, {
    cwd,
    extendEnv: false,
    env: {
      ...home.env,
      PATH: `${home.path}/bin:${process.env.PATH}`,
      CI: 'true',
      JACK_URL: cloud.ready.url,
      JACK_TOKEN: cloud.ready.token,
    },
  })
  return stdout
}

/** A folder with the project that pages speak of, whose configuration is the one that the page on bindings shows. */
async function projectFolder(): Promise<string> {
  const folder = await mkdtemp(join(home.path, 'page-'))
  const page = await readFile(join(root, 'docs/bindings.md'), 'utf8')
  const [, bindings = ''] = /```jsonc\n\{\n(.*?)```/s.exec(page) ?? []
  const files = {
    'wrangler.jsonc': `{\n  "name": "my-api", "main": "src/index.ts",\n${bindings}`,
    'src/index.ts': `import { DurableObject } from 'cloudflare:workers'
      import { hello } from './routes.ts'
      export class Room extends DurableObject {}
      export default { fetch: () => new Response(hello), scheduled() {}, queue() {} }`,
    'src/routes.ts': `export const hello = 'hello'`,
    'migrations/0001_note.sql': 'create table note (text)',
    'seed.sql': `insert into note values ('first')`,
    '.env': 'MODE=test',
    'app/index.ts': 'export default { fetch: () => new Response() }',
    'app/package.json': '{"name": "app"}',
  }
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

test.each([
  'README.md',
  'docs/quickstart.md',
  'docs/agents.md',
  'docs/execute.md',
  'docs/bindings.md',
  'docs/deploy.md',
  'docs/templates.md',
  'docs/logs.md',
  'docs/mcp.md',
  'docs/usage.md',
  'docs/lifecycle.md',
  'docs/receipts.md',
])(
  'every shell snippet of %s runs',
  async (page) => {
    const found = await snippets(page, 'sh')
    expect(found.length).toBeGreaterThan(0)
    const folder = await projectFolder()
    await run('jack', ['deploy', '--json'], folder)
    for (const code of found) {
      const printed = await run('bash', ['-euo', 'pipefail', '-c', code], folder)
      for (const line of printed.split('\n').filter((it) => /^\{.*\}$/.test(it))) {
        expect(JSON.parse(line), `${code}\n${line}`).not.toHaveProperty('code')
      }
    }
  },
  120_000,
)

test('the TypeScript snippets of the docs run', async () => {
  const folder = await projectFolder()
  for (const page of ['docs/execute.md', 'docs/deploy.md']) {
    for (const code of await snippets(page, 'ts')) {
      const file = join(root, 'docs', `.snippet-${process.pid}.ts`)
      await writeFile(file, code)
      try {
        await run(process.execPath, ['--conditions=jack:src', file], folder)
      } finally {
        await rm(file)
      }
    }
  }
})
