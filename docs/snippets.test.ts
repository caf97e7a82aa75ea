import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../packages/api/src/testing/cloud.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
let cloud: TestCloud
let folder: string
beforeAll(async () => {
  cloud = await testCloud()
  folder = await mkdtemp(join(tmpdir(), 'jack-docs-'))
  const cli = join(root, 'packages/cli/src/bin.ts')
  const command = `#!/bin/sh\nexec '${process.execPath}' --conditions=jack:src '${cli}' "$@"\n`
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'bin', 'jack'), command, { mode: 0o755 })
})
afterAll(async () => {
  await cloud.close()
  await rm(folder, { recursive: true, force: true })
})

/** Fenced blocks of a language that follow a `<!-- run -->`. */
async function snippets(page: string, language: string): Promise<string[]> {
  const text = await readFile(join(root, page), 'utf8')
  const blocks = text.matchAll(new RegExp(`<!-- run -->\\n+\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))
  return [...blocks].map(([, code]) => code as string)
}

async function run(command: string, args: string[]): Promise<string> {
  const ran = promisify(execFile)(command, args, {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${folder}/bin:${process.env.PATH}`,
      HOME: folder,
      XDG_CONFIG_HOME: folder,
      CI: 'true',
      JACK_URL: cloud.url,
      JACK_TOKEN: cloud.token,
    },
  })
  const { stdout } = await ran.catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}\n${error.stderr}`)
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
        expect(JSON.parse(line), `${code}\n${line}`).not.toHaveProperty(['status'], 422)
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
