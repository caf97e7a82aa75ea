import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BundleError, type Files, type Program, readProgram, stop } from './index.ts'

let temp: string
let count = 0

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'jack-program-'))
})

afterAll(async () => {
  await stop()
  await rm(temp, { recursive: true, force: true })
})

async function folder(files: Files): Promise<string> {
  const root = join(temp, `p${count++}`)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), content)
  }
  return root
}

async function failure(work: Promise<unknown>): Promise<BundleError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof BundleError) return error
  throw new Error(`expected a BundleError, got ${String(error)}`)
}

const paths = (program: Program) => program.assets?.files.map(({ path }) => path)
const worker = 'export default { fetch() { return new Response("hi") } }'

/** Each layout is tried as a set of files and as a folder on disk. */
const both = (files: Files) => [readProgram(files), folder(files).then((root) => readProgram(root))]

describe('what a program is made of', () => {
  test('a worker among the files of a site comes before them, where its routes say', async () => {
    const site = {
      'wrangler.toml': 'name = "pages"\npages_build_output_dir = "./out/"',
      'src/index.ts': 'export default 1',
      'functions/api.ts': 'export const onRequest = () => new Response("api")',
      'out/index.html': 'page',
    }
    for (const reading of both(site)) {
      const program = await reading
      expect(program.bundle).toBeUndefined()
      expect(program.assets?.notFound).toBe('single-page-application')
      expect(program.warnings.map(({ hint }) => hint)).toEqual([
        expect.stringContaining('functions build --outdir out/_worker.js'),
      ])
    }
    const routes = '{ "version": 1, "include": ["/*"], "exclude": ["/assets/*"] }'
    for (const name of ['_worker.js', '_worker.js/index.js'])
      for (const reading of both({
        ...site,
        [`out/${name}`]: worker,
        'out/_routes.json': routes,
        'out/assets/a.css': '',
      })) {
        const program = await reading
        expect(program.bundle?.inputs).toEqual([`out/${name}`])
        expect(paths(program)).toEqual(['/assets/a.css', '/index.html'])
        expect(program.assets).toMatchObject({
          binding: 'ASSETS',
          workerFirst: ['/*', '!/assets/*'],
          notFound: 'single-page-application',
        })
        expect(program.warnings).toEqual([])
      }
    const unnamed = await readProgram({ 'dist/_worker.js': worker, 'dist/a.css': '' })
    expect(unnamed.assets).toMatchObject({ binding: 'ASSETS', workerFirst: true, notFound: 'none' })
  })

  test('what a build tool wrote takes the place of the file that it was made from', async () => {
    const files = {
      '.wrangler/deploy/config.json': '{ "configPath": "../../dist/app/wrangler.json" }',
      'wrangler.json': '{ "name": "app", "main": "src/missing.ts", "assets": {} }',
      'dist/app/wrangler.json': JSON.stringify({
        name: 'app',
        main: 'index.js',
        assets: { directory: '../client', binding: 'ASSETS' },
        no_bundle: true,
        rules: [{ type: 'ESModule', globs: ['**/*.js'] }],
        logfwdr: { bindings: [] },
        python_modules: { exclude: ['**/*.pyc'] },
        r2_buckets: [{ binding: 'FILES', bucket_name: 'files' }],
        something_new: [],
      }),
      'dist/app/index.js': 'import { hi } from "./part.js"; export default { fetch: () => hi }',
      'dist/app/part.js': 'export const hi = new Response("built")',
      'dist/client/index.html': 'built page',
    }
    for (const reading of both(files)) {
      const program = await reading
      expect(program.name).toBe('app')
      expect(program.bundle?.inputs).toEqual(['dist/app/index.js', 'dist/app/part.js'])
      expect(paths(program)).toEqual(['/index.html'])
      expect(program.warnings).toEqual([
        expect.objectContaining({ text: expect.stringContaining('"r2_buckets"') }),
      ])
    }
    const { 'dist/app/wrangler.json': _, ...gone } = files
    for (const reading of both(gone)) {
      expect(await failure(reading)).toMatchObject({
        code: 'missing_files',
        hint: expect.stringContaining('npm run build'),
      })
    }
    const outside = { ...files, '.wrangler/deploy/config.json': '{ "configPath": "../../../x" }' }
    for (const reading of both(outside))
      expect((await failure(reading)).code).toBe('invalid_request')
  })

  test('static files alone need no module', async () => {
    for (const reading of both({
      'index.html': '<script src="app.js"></script>',
      'app.js': 'alert(1)',
      '.env': 'KEY=1',
      'server.pem': 'x',
      'package.json': '{ "name": "@me/site" }',
      '.gitignore': 'drafts/',
      'drafts/a.html': '',
      'debug.log': '',
      '.well-known/x': '',
    })) {
      const program = await reading
      expect(program.bundle).toBeUndefined()
      expect(program.name).toBe('site')
      expect(paths(program)).toEqual(['/.well-known/x', '/app.js', '/index.html'])
      expect(program.assets?.notFound).toBe('single-page-application')
      expect(program.warnings.map(({ file }) => file)).toEqual(['.env', 'server.pem'])
    }
  })

  test('a built Vite project is its dist folder, although git ignores it', async () => {
    for (const reading of both({
      'index.html': '<script type="module" src="/src/main.tsx"></script>',
      'src/main.tsx': 'document.title = "x"',
      'package.json': '{ "name": "app" }',
      '.gitignore': 'dist',
      'dist/index.html': '',
      'dist/assets/a.js': `x="${'x'.repeat(600_000)}"`,
    })) {
      const program = await reading
      expect(program.bundle).toBeUndefined()
      expect(paths(program)).toEqual(['/assets/a.js', '/index.html'])
    }
  })

  test('one that is not built yet says so', async () => {
    const error = await failure(
      readProgram({
        'index.html': '<script type="module" src="/src/main.tsx"></script>',
        'src/main.tsx': 'document.title = "x"',
      }),
    )
    expect(error).toMatchObject({
      code: 'missing_files',
      hint: expect.stringContaining('npm run build'),
    })
  })

  test('a worker and its assets, with the fallback that the configuration names', async () => {
    for (const reading of both({
      'wrangler.jsonc': `{ // a comment
        "name": "both", "main": "src/worker.ts", "compatibility_date": "2026-01-31", "compatibility_flags": ["nodejs_compat"],
        "assets": { "directory": "./site", "binding": "ASSETS", "not_found_handling": "single-page-application", "run_worker_first": ["/api/*"] },
        "vars": { "MODE": "live" }, "kv_namespaces": [{ "binding": "KV", "id": "x" }], "d1_databases": [{ "binding": "DB", "database_id": "x" }],
        "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] }, "triggers": { "crons": ["0 * * * *"] }, }`,
      'src/worker.ts': `export class Room {}\n${worker}`,
      'site/index.html': '',
      'site/_headers': '/*\n  X-Frame-Options: DENY\n  oops',
      'site/_redirects': '/old /new 301',
      'site/.assetsignore': '*.map',
      'site/a.js.map': '',
    })) {
      const program = await reading
      expect(program.name).toBe('both')
      expect(program.assets).toMatchObject({
        binding: 'ASSETS',
        notFound: 'single-page-application',
        html: 'auto-trailing-slash',
        workerFirst: ['/api/*'],
      })
      expect(paths(program)).toEqual(['/index.html'])
      expect(program.settings).toEqual({
        compatibilityDate: '2026-01-31',
        compatibilityFlags: ['nodejs_compat'],
        vars: { MODE: 'live' },
        kv: ['KV'],
        d1: [{ binding: 'DB', database: 'DB' }],
        durableObjects: [{ binding: 'ROOM', className: 'Room' }],
        queues: [],
        queueConsumers: [],
        services: [],
        crons: ['0 * * * *'],
      })
      expect(program.assets).toMatchObject({
        headers: [{ path: '/*', unset: [], set: [['x-frame-options', 'DENY']] }],
        redirects: [{ from: '/old', to: '/new', status: 301 }],
      })
      expect(program.warnings).toEqual([
        {
          file: 'site/_headers',
          line: 3,
          text: 'A header looks like "Name: value".',
          lineText: '  oops',
        },
      ])
    }
  })

  test('wrangler.toml is read too, and jack.json has the last word', async () => {
    const program = await readProgram({
      'wrangler.toml':
        'name = "old"\nmain = "a.ts"\n[vars]\nA = "1"\nB = 2\nC = [{ on = 2026-01-31 }]\n[site]\nbucket = "public"\n[[r2_buckets]]\nbinding = "R2"\n',
      'jack.json':
        '{ "name": "new", "vars": { "A": "3" }, "ttl_hours": 24, "budget_usd": 0.5, "budget": 1 }',
      'a.ts': worker,
      'public/404.html': '',
    })
    expect(program).toMatchObject({
      name: 'new',
      settings: { vars: { A: '3', B: 2, C: [{ on: '2026-01-31' }] }, ttlHours: 24, budgetUsd: 0.5 },
      assets: { notFound: '404-page' },
    })
    const texts = program.warnings.map(({ text, hint }) => `${text} ${hint ?? ''}`).join('\n')
    expect(texts).toContain(
      '"r2_buckets" is not carried by Jack: its bindings will be undefined in env.',
    )
    expect(texts).toContain('"site" is served as static assets')
    expect(texts).toContain('"budget" means nothing here. Did you mean "budget_usd"?')
  })

  test('a rule makes text or data out of any file', async () => {
    const program = await readProgram({
      'wrangler.json':
        '{ "main": "a.js", "rules": [{ "type": "Text", "globs": ["**/*.tpl"] }, { "type": "Data", "globs": ["*.raw"] }] }',
      'a.js': "import t from './x/a.tpl'\nimport d from './b.raw'\nexport default [t, d]",
      'x/a.tpl': 'hello',
      'b.raw': 'raw',
    })
    expect(program.bundle?.modules.map(({ type }) => type)).toEqual(['esm', 'data'])
  })

  test.each([
    ['*/pages/**', true],
    ['**/deep/*.js', true],
    ['*.client.js', true],
    ['./pages/*', true],
    ['pages/deep/a.client.js', true],
    ['*/page/**', false],
    ['**/*.mjs', false],
    ['*.client.js*client.js', false],
  ])('the rule %s takes code for text: %s', async (glob, isText) => {
    const program = readProgram({
      'wrangler.json': JSON.stringify({ main: 'a.js', rules: [{ type: 'Text', globs: [glob] }] }),
      'a.js': "import { x } from './pages/deep/a.client.js'\nexport default x",
      'pages/deep/a.client.js': 'export const x = 1',
    })
    await (isText ? expect(program).rejects.toThrow('No matching export') : program)
  })

  test.each<[string, Files, RegExp]>([
    [
      'a word that must be another',
      { 'jack.json': '{ "name": 1 }' },
      /jack\.json: "name" must be a string/,
    ],
    ['a wrong date', { 'wrangler.json': '{ "compatibility_date": "today" }' }, /must be a date/],
    [
      'a wrong choice',
      { 'wrangler.json': '{ "assets": { "html_handling": "some" } }' },
      /"assets\.html_handling" must be one of/,
    ],
    ['broken JSON', { 'jack.json': '{ "name": }' }, /jack\.json:1:\d+: value expected/],
    ['broken TOML', { 'wrangler.toml': 'name = ' }, /wrangler\.toml:1:\d+/],
    [
      'an assets folder elsewhere',
      { 'jack.json': '{ "assets": "../up" }' },
      /lies outside the program/,
    ],
  ])('%s is an error that names the place', async (_, files, message) => {
    const error = await failure(readProgram({ 'index.ts': worker, ...files }))
    expect(error.code).toBe('invalid_request')
    expect(error.message).toMatch(message)
  })

  test('nothing at all, an assets folder that is missing, and too much of it', async () => {
    expect((await failure(readProgram({ 'README.md': '' }))).code).toBe('missing_files')
    expect(
      (await failure(readProgram({ 'index.ts': worker, 'jack.json': '{ "assets": "dist" }' })))
        .code,
    ).toBe('missing_files')
    const site = { 'index.html': 'x'.repeat(100), 'a.html': '' }
    expect((await failure(readProgram(site, { limits: { assetBytes: 50 } }))).code).toBe(
      'code_too_large',
    )
    expect((await failure(readProgram(site, { limits: { assetFiles: 1 } }))).code).toBe(
      'code_too_large',
    )
  })

  test('a link out of the assets folder is refused', async () => {
    const outside = await folder({ 'passwords.txt': 'x' })
    const root = await folder({ 'dist/index.html': '' })
    await symlink(join(outside, 'passwords.txt'), join(root, 'dist/p.txt'))
    expect((await failure(readProgram(root))).message).toBe(
      'dist/p.txt is a link that points out of the folder.',
    )
  })

  test('the digest changes with code, assets and settings, and with nothing else', async () => {
    const files = {
      'index.ts': worker,
      'public/index.html': 'a',
      'jack.json': '{ "vars": { "A": "1", "B": "2" } }',
    }
    const digest = async (change: Files) => (await readProgram({ ...files, ...change })).digest
    const same = await digest({})
    expect(
      await digest({ 'README.md': 'x', 'jack.json': '{ "vars": { "B": "2", "A": "1" } }' }),
    ).toBe(same)
    expect((await readProgram(await folder(files))).digest).toBe(same)
    for (const change of [
      { 'index.ts': `${worker}; console.log(1)` },
      { 'public/index.html': 'b' },
      { 'public/b.html': '' },
      { 'jack.json': '{}' },
    ]) {
      expect(await digest(change as Files)).not.toBe(same)
    }
  })
})
