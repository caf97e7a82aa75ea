import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
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
  const command = `#!/bin/sh\nexec ${fromSource.map((it) => `'${it}'`).join(' ')} "$@"\n`
  await writeFile(join(home.path, 'bin', 'jack'), command, { mode: 0o755 })
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

async function run(command: string, args: string[]): Promise<string> {
  const { stdout } = await execa(command, args, {
    cwd: home.path,
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

test.each(['skill/SKILL.md', 'docs/execute.md', 'README.md'])(
  'every shell snippet of %s runs',
  async (page) => {
    const found = await snippets(page, 'sh')
    expect(found.length).toBeGreaterThan(0)
    for (const code of found) {
      const printed = await run('bash', ['-euo', 'pipefail', '-c', code])
      for (const line of printed.trim().split('\n')) {
        expect(JSON.parse(line), `${code}\n${line}`).not.toHaveProperty('code')
      }
    }
  },
)

test('the TypeScript snippets of the docs run', async () => {
  for (const page of ['docs/execute.md', 'docs/deploy.md']) {
    for (const code of await snippets(page, 'ts')) {
      const file = join(root, 'docs', `.snippet-${process.pid}.ts`)
      await writeFile(file, code)
      try {
        await run(process.execPath, ['--conditions=jack:src', file])
      } finally {
        await rm(file)
      }
    }
  }
})
