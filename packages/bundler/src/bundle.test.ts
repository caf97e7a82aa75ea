import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bundle, BundleError, bundle, type Files, stop } from './index.ts'

let temp: string
let count = 0

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'jack-bundler-'))
})

afterAll(async () => {
  await stop()
  await rm(temp, { recursive: true, force: true })
})

async function folder(files: Files): Promise<string> {
  const root = join(temp, `f${count++}`)
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

const codeOf = (made: Bundle) => new TextDecoder().decode(made.modules[0]?.bytes)

/** Runs the bundle for real, in this process. */
async function load(made: Bundle): Promise<Record<string, unknown>> {
  return import(
    `data:text/javascript;base64,${Buffer.from(codeOf(made)).toString('base64')}#${made.digest}`
  )
}

const offline = {
  offline: true,
  get cacheDir() {
    return join(temp, 'no-cache')
  },
}

describe('one module out of a set of files', () => {
  test('a single file runs', async () => {
    const made = await bundle({
      'index.ts': 'export function run(n: number): number { return n + 1 }',
    })
    expect(((await load(made)).run as (n: number) => number)(1)).toBe(2)
    expect(made).toMatchObject({
      main: 'index.js',
      inputs: ['index.ts'],
      packages: [],
      warnings: [],
      usesNode: false,
    })
    expect(made.sizeBytes).toBe(made.modules[0]?.bytes.byteLength)
    expect(made.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.parse(made.sourceMap)).toMatchObject({ version: 3, sources: ['index.ts'] })
  })

  test('translating a simple file means the same as bundling it', async () => {
    const code =
      'const twice = (n: number) => n * 2\nfunction unused() {}\nexport default function run(n: number) { return twice(n) }\nexport class Room {}'
    const [simple, bundled] = [
      await bundle({ 'index.ts': code }),
      await bundle({ 'index.ts': `import './a'\n${code}`, 'a.ts': '' }),
    ]
    expect(codeOf(simple)).not.toContain('unused')
    const [a, b] = await Promise.all([load(simple), load(bundled)])
    expect(Object.keys(a)).toEqual(Object.keys(b))
    expect((a.default as (n: number) => number)(4)).toBe((b.default as (n: number) => number)(4))
  })

  test.each([
    ['const a = 1, b = 2\nexport { a, b as c }', ['a', 'c']],
    ['export const a = 1, b = 2', ['a', 'b']],
    ['/*\nexport function gone() {}\n*/\nexport const a = 1', ['a']],
    ['const t = `\nexport function gone() {}`\nexport default t', ['default']],
    ['export default function () {}\nconst t = `\nexport class X`; t', ['default']],
    ['export function a(x: string): void\nexport function a(x: unknown) { return x }', ['a']],
    ['export type T = string\nexport function a() {}', ['a']],
    ['module.exports = { fetch() {} }', ['default']],
  ])('the exports of %j survive', async (code, exports) => {
    const module = await load(await bundle({ 'index.ts': code }))
    expect(Object.keys(module).sort()).toEqual(exports)
  })

  test('TypeScript, JSX by tsconfig, JSON, text, paths and .js for .ts', async () => {
    const made = await bundle(
      {
        'src/index.tsx': `
        import { one } from '@/one.js'
        import data from './data.json'
        import note from './note.txt'
        import page from './page.tsx' with { type: 'text' }
        export const run = () => [one, data.two, note, page, <b id="x">hi</b>]`,
        'src/one.ts': 'export const one: number = 1',
        'src/data.json': '{ "two": 2 }',
        'src/note.txt': 'three',
        'src/page.tsx': '<i/>',
        'base.json': '{ "compilerOptions": { "jsx": "react", "jsxFactory": "Array.of", } }',
        'tsconfig.json':
          '{ // comments are fine\n "extends": "./base.json", "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }',
      },
      { minify: false, ...offline },
    )
    const run = (await load(made)).run as () => unknown
    expect(run()).toEqual([1, 2, 'three', '<i/>', ['b', { id: 'x' }, 'hi']])
  })

  test('decorators follow tsconfig', async () => {
    const made = await bundle({
      'index.ts':
        "import './a'\nfunction twice(_: unknown, key: string) { seen.push(key) }\nconst seen: string[] = []\nexport class A { @twice x = 1 }\nexport const run = () => seen",
      'a.ts': '',
      'tsconfig.json': '{ "compilerOptions": { "experimentalDecorators": true } }',
    })
    expect(((await load(made)).run as () => string[])()).toEqual(['x'])
  })

  test('classes and functions keep their names, unless the configuration says otherwise', async () => {
    const files = {
      'index.ts':
        "import { Own as Other } from './own'\nclass Own {}\nexport const run = () => [Own.name, Other.name, new Other().constructor.name]",
      'own.ts': 'export class Own extends Error {}',
    }
    expect(((await load(await bundle(files))).run as () => unknown)()).toEqual(Array(3).fill('Own'))
    const config = { 'wrangler.json': '{ "main": "index.ts", "keep_names": false }' }
    const short = await bundle({ ...files, ...config })
    expect(((await load(short)).run as () => unknown)()).not.toContain('Own')
  })

  test('a script that listens becomes a module, with a map to where it was', async () => {
    const made = await bundle({
      'index.js':
        "import { answer } from './answer'\naddEventListener('fetch', (event) => event.respondWith(answer(event.request)))",
      'answer.js': 'export const answer = async () => new Response(await NOTES.get("a"))',
    })
    const code = codeOf(made)
    expect(code).toContain('export default {')
    expect(code.indexOf('globalThis.addEventListener =')).toBeLessThan(code.indexOf('NOTES'))
    expect(JSON.parse(made.sourceMap).mappings).toMatch(/^;+/)
    const listening = await bundle({
      'index.js': "addEventListener('fetch', () => {})\nexport const run = () => 1",
    })
    expect(codeOf(listening)).not.toContain('export default {')
  })

  test('modules of the runtime are left to it, with their full names', async () => {
    const made = await bundle({
      'index.ts':
        "import path from 'path'\nimport 'cloudflare:workers'\nconst { inspect } = require('util')\nexport const run = () => path.join('a', 'b') + inspect(1)",
    })
    expect(made).toMatchObject({ usesNode: true, nodeModules: ['path', 'util'] })
    const global = await bundle({ 'index.ts': 'export const run = () => Buffer.from("x")' })
    expect(global.usesNode).toBe(true)
    expect(codeOf(made)).toContain('"node:path"')
    expect(codeOf(made)).toContain('"cloudflare:workers"')
    const inNode = codeOf(made).replace('import"cloudflare:workers";', '')
    const loaded = await import(`data:text/javascript,${encodeURIComponent(inNode)}`)
    expect(loaded.run()).toBe('a/b1')
  })

  test('WebAssembly and data stay modules of their own', async () => {
    const made = await bundle({
      'index.ts':
        "import wasm from './add.wasm?module'\nimport font from './f.woff2'\nexport default [wasm, font]",
      'add.wasm': new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]),
      'f.woff2': new Uint8Array([1, 2, 3]),
      'unused.wasm': new Uint8Array(1),
    })
    expect(
      made.modules.map(({ name, type }) => [name.replace(/^[0-9a-f]{16}-/, ''), type]),
    ).toEqual(
      expect.arrayContaining([
        ['index.js', 'esm'],
        ['add.wasm', 'wasm'],
        ['f.woff2', 'data'],
      ]),
    )
    for (const { name } of made.modules.slice(1)) expect(codeOf(made)).toContain(`"./${name}"`)
  })

  test('an alias replaces an import, with a file too', async () => {
    const made = await bundle(
      {
        'index.ts': "import { a } from 'lib'\nexport const run = () => a",
        'stub.ts': 'export const a = 7',
      },
      { alias: { lib: './stub.ts' }, ...offline },
    )
    expect(((await load(made)).run as () => number)()).toBe(7)
  })

  test('aborting stops the waiting', async () => {
    await expect(
      bundle({ 'index.ts': 'export default 1' }, { signal: AbortSignal.abort(new Error('no')) }),
    ).rejects.toThrow('no')
  })
})

describe('the same input gives the same bytes', () => {
  const program: Files = {
    'src/index.ts':
      "import { a } from './a'\nimport dep from 'dep'\nexport const run = () => a + dep",
    'src/a.ts': 'export const a = 1',
    'package.json': '{ "dependencies": { "dep": "1.0.0" } }',
    'node_modules/dep/package.json': '{ "name": "dep", "version": "1.0.0", "main": "main.js" }',
    'node_modules/dep/main.js': 'module.exports = 41',
  }

  test('in two folders, and without a path of the machine in code or map', async () => {
    const [first, second] = [await folder(program), await folder(program)]
    for (const minify of [true, false]) {
      const [a, b] = [
        await bundle(first, { minify, ...offline }),
        await bundle(second, { minify, ...offline }),
      ]
      expect(b).toEqual(a)
      expect(codeOf(a) + a.sourceMap + JSON.stringify(a)).not.toContain(temp)
      expect(((await load(a)).run as () => number)()).toBe(42)
    }
  })

  test('twenty times over, at once', async () => {
    const files = {
      'index.ts': "import './b'; import './a'; export const run = () => 1",
      'a.ts': 'console.log(1)',
      'b.ts': 'console.log(2)',
    }
    const made = await Promise.all(Array.from({ length: 20 }, () => bundle(files)))
    expect(new Set(made.map(({ digest, sourceMap }) => digest + sourceMap)).size).toBe(1)
  })
})

describe('a folder', () => {
  test('finds packages through links, as pnpm and workspaces lay them out', async () => {
    const root = await folder({
      'pnpm-workspace.yaml': '',
      'node_modules/.pnpm/dep@1.0.0/node_modules/dep/package.json':
        '{ "name": "dep", "exports": { "workerd": "./w.js", "default": "./d.js" } }',
      'node_modules/.pnpm/dep@1.0.0/node_modules/dep/w.js': 'export default "workerd"',
      'node_modules/.pnpm/dep@1.0.0/node_modules/dep/d.js': 'export default "default"',
      'packages/lib/package.json': '{ "name": "lib", "main": "index.ts" }',
      'packages/lib/index.ts': 'export const lib: string = "lib"',
      'packages/app/index.ts':
        "import dep from 'dep'\nimport { lib } from 'lib'\nexport const run = () => dep + lib",
    })
    await mkdir(join(root, 'packages/app/node_modules'))
    await symlink(
      '../../../node_modules/.pnpm/dep@1.0.0/node_modules/dep',
      join(root, 'packages/app/node_modules/dep'),
    )
    await symlink('../../lib', join(root, 'packages/app/node_modules/lib'))
    const made = await bundle(join(root, 'packages/app'), offline)
    expect(((await load(made)).run as () => string)()).toBe('workerdlib')
    expect(made.inputs).toEqual(['../lib/index.ts', 'index.ts', 'node_modules/dep/w.js'])
  })

  test('a link out of it is refused', async () => {
    const outside = await folder({ 'secret.ts': 'export const s = 1' })
    const root = await folder({ 'index.ts': "export { s } from './s'" })
    await symlink(join(outside, 'secret.ts'), join(root, 's.ts'))
    const error = await failure(bundle(root))
    expect(error.code).toBe('bundle_failed')
    expect(error.errors[0]?.text).toMatch(/secret\.ts lies outside the folder of the program/)
  })

  test('a package that is not installed is told by name', async () => {
    const root = await folder({
      'index.ts': "import 'left-out'",
      'node_modules/other/index.js': '',
    })
    const error = await failure(bundle(root, offline))
    expect(error.errors[0]).toMatchObject({
      file: 'index.ts',
      line: 1,
      hint: 'Add it to the program: npm install left-out',
    })
  })

  test('an installed package brings text, WebAssembly and its own packages along', async () => {
    const root = await folder({
      'index.ts':
        "import { page, style } from 'dep'\nimport wasm from 'dep/add'\nexport default [page, style, wasm]",
      'node_modules/dep/package.json':
        '{ "name": "dep", "exports": { ".": "./main.js", "./add": "./add.wasm" } }',
      'node_modules/dep/main.js':
        "import page from './PAGE.HTML'\nimport style from 'styles/a.module.css'\nexport { page, style }",
      'node_modules/dep/PAGE.HTML': '<i>',
      'node_modules/dep/add.wasm': new Uint8Array([0, 97, 115, 109]),
      'node_modules/styles/package.json': '{ "name": "styles" }',
      'node_modules/styles/a.module.css': 'i { color: red }',
    })
    const made = await bundle(root, offline)
    expect(made.modules.map(({ type }) => type)).toEqual(['esm', 'wasm'])
    expect(codeOf(made)).toContain('<i>')
    expect(codeOf(made)).toContain('i { color: red }')
  })

  test('a secret among installed files is refused where it is imported', async () => {
    const root = await folder({
      'index.ts': "import key from 'dep'\nexport default key",
      'node_modules/dep/package.json': '{ "name": "dep", "main": "main.js" }',
      'node_modules/dep/main.js': "export { default } from './.env' with { type: 'text' }",
      'node_modules/dep/.env': 'KEY=1',
    })
    const error = await failure(bundle(root, offline))
    expect(error.errors[0]).toMatchObject({
      text: 'node_modules/dep/.env holds secrets and is never put into a program.',
      file: 'node_modules/dep/main.js',
    })
  })

  test('what an installed package does not have is told, and not looked for elsewhere', async () => {
    const root = await folder({
      'index.ts': "import 'dep/a'\nimport 'old/a'",
      'node_modules/dep/package.json': '{ "name": "dep", "exports": { ".": "./main.js" } }',
      'node_modules/dep/main.js': '',
      'node_modules/old/package.json': '{ "name": "old" }',
      'package.json': '{ "dependencies": { "dep": "1", "old": "1" } }',
    })
    const { errors } = await failure(bundle(root, offline))
    expect(errors.map(({ text }) => text)).toEqual([
      'Could not resolve "dep/a"',
      'Could not resolve "old/a"',
    ])
    expect(errors[0]?.hint).toMatch(/documentation for its import paths/)
  })

  test('own code, which a build may have made, can be as much as a bundle', async () => {
    const big = `export default ${JSON.stringify('x'.repeat(5_000))}`
    const files = {
      'index.ts': "import d from 'd'\nexport const run = () => d",
      'node_modules/d/index.js': big,
    }
    await bundle(await folder(files), { limits: { sourceBytes: 1_000 } })
    const own = await folder({ 'index.ts': big, 'other.ts': `import './index'\n${big}` })
    const options = { entry: 'other.ts', limits: { sourceBytes: 1_000 } }
    await bundle(own, options)
    const most = { ...options.limits, bundleBytes: 10_000 }
    expect((await failure(bundle(own, { ...options, limits: most }))).code).toBe('code_too_large')
  })

  test('WebAssembly, text and a tsconfig work as in a set', async () => {
    const root = await folder({
      'src/index.tsx':
        "import w from './a.wasm'\nimport t from '@/t.sql'\nexport const run = () => [w, t, <i />]",
      'src/a.wasm': new Uint8Array([0, 97, 115, 109]),
      'src/t.sql': 'select 1',
      'tsconfig.json':
        '{ "compilerOptions": { "jsx": "react", "jsxFactory": "h", "paths": { "@/*": ["./src/*"] } } }',
    })
    const made = await bundle(root, { define: { h: 'String' } })
    expect(made.modules.map(({ type }) => type)).toEqual(['esm', 'wasm'])
    expect(codeOf(made)).toContain('select 1')
  })
})

describe('what goes wrong is told', () => {
  const errorOf = async (files: Files) => (await failure(bundle(files, offline))).errors[0]

  test('all errors at once, with their places', async () => {
    const error = await failure(
      bundle(
        { 'index.ts': "import './helo'\nimport './nope'\nconst x: = 1", 'hello.ts': '' },
        offline,
      ),
    )
    expect(error.code).toBe('bundle_failed')
    const resolved = await failure(
      bundle({ 'index.ts': "import './helo'\nimport './nope'", 'hello.ts': '' }, offline),
    )
    expect(resolved.errors).toEqual([
      {
        text: 'Could not resolve "./helo": there is no file helo.',
        file: 'index.ts',
        line: 1,
        column: 8,
        lineText: "import './helo'",
        hint: 'Did you mean hello.ts?',
      },
      {
        text: 'Could not resolve "./nope": there is no file nope.',
        file: 'index.ts',
        line: 2,
        column: 8,
        lineText: "import './nope'",
        hint: 'Add the file to the program.',
      },
    ])
  })

  test.each<[string, Files, RegExp, RegExp]>([
    ['a return at the top', { 'index.ts': 'return 1' }, /Top-level return/, /export a function/],
    [
      'JSX in .ts',
      { 'index.ts': 'export const a = () => <div>hi</div>' },
      /./,
      /rename index.ts to index.tsx/,
    ],
    [
      'JSX in .js',
      { 'index.js': 'export const a = () => <div>hi</div>' },
      /JSX/,
      /Rename index.js to index.jsx/,
    ],
    [
      'a module that the runtime lacks',
      { 'index.ts': "import 'node:sea'" },
      /node:sea does not exist/,
      /database/,
    ],
    [
      'a file of an unknown kind',
      { 'index.ts': "import './a.xyz'", 'a.xyz': '' },
      /"\.xyz" file/,
      /as text/,
    ],
    [
      'a file that is not UTF-8',
      { 'index.ts': "import './a'", 'a.ts': new Uint8Array([0xff, 0xfe, 0xfd]) },
      /not UTF-8/,
      /UTF-8/,
    ],
    [
      'a missing export',
      { 'index.ts': "import { x } from './a'\nexport default x", 'a.ts': 'export const y = 1' },
      /No matching export/,
      /./,
    ],
    [
      'a secret',
      {
        'index.ts': "import e from './.env' with { type: 'text' }\nexport default e",
        '.env': 'KEY=1',
      },
      /never put into a program/,
      /environment variable/,
    ],
    [
      'a git dependency',
      {
        'index.ts': "import 'a'",
        'package.json': '{"dependencies":{"a":"git+https://example.com/a"}}',
      },
      /not on the npm registry/,
      /version/,
    ],
    [
      'a file dependency',
      { 'index.ts': "import 'a'", 'package.json': '{"dependencies":{"a":"file:../../etc"}}' },
      /not on the npm registry/,
      /version/,
    ],
    [
      'a package while offline',
      { 'index.ts': "import 'a'" },
      /not in the package cache/,
      /network/,
    ],
  ])('%s', async (_, files, text, hint) => {
    const error = await errorOf(files)
    expect(error?.text).toMatch(text)
    expect(error?.hint).toMatch(hint)
    expect(error?.file).toBeDefined()
  })

  test.each<[string, Files, string]>([
    ['no module to start with', { 'a.ts': '', 'b.ts': '' }, 'missing_files'],
    [
      'a configuration that names a file that is not there',
      { 'jack.json': '{"main":"x.ts"}' },
      'missing_files',
    ],
    ['a broken package.json', { 'index.ts': '', 'package.json': '{' }, 'invalid_request'],
    [
      'one line of 50 MB',
      { 'index.ts': `export default "${'x'.repeat(50_000_000)}"` },
      'code_too_large',
    ],
    [
      'a large file that is imported as text',
      { 'index.ts': "import t from './t.txt'\nexport default t", 't.txt': 'x'.repeat(11_000_000) },
      'code_too_large',
    ],
  ])('%s', async (_, files, code) => {
    expect((await failure(bundle(files, offline))).code).toBe(code)
  })

  test('the entry is found by convention, option or the only source file', async () => {
    const inputs = async (files: Files, entry?: string) =>
      (await bundle(files, entry === undefined ? {} : { entry })).inputs
    expect(await inputs({ 'src/index.ts': 'export default 1', 'other.ts': '' })).toEqual([
      'src/index.ts',
    ])
    expect(await inputs({ 'a.ts': 'export default 1', 'b.ts': 'export default 2' }, './b')).toEqual(
      ['b.ts'],
    )
    expect(await inputs({ 'deep/only.mjs': 'export default 1', 'README.md': '' })).toEqual([
      'deep/only.mjs',
    ])
    expect(
      await inputs({
        'package.json': '{"main":"lib/x.js"}',
        'lib/x.js': 'export default 1',
        'y.js': '',
      }),
    ).toEqual(['lib/x.js'])
    expect((await failure(bundle({ 'a.ts': '' }, { entry: '../x' }))).code).toBe('invalid_request')
  })
})

describe('a hostile set reads nothing of the machine', () => {
  const marker = 'MARKER-OF-THE-HOST'
  let host: string

  beforeAll(async () => {
    host = await folder({
      'secret.ts': `export default "${marker}"`,
      'secret.js.map': JSON.stringify({
        version: 3,
        sources: [marker],
        sourcesContent: [marker],
        names: [],
        mappings: 'AAAA',
      }),
    })
  })

  test.each<[string, (host: string) => string]>([
    [
      'an absolute path',
      (at) => `import x from ${JSON.stringify(`${at}/secret.ts`)}\nexport default x`,
    ],
    [
      'a path upwards',
      (at) =>
        `import x from ${JSON.stringify(`../../../../../../..${at}/secret.ts`)}\nexport default x`,
    ],
    ['a require', (at) => `export default require(${JSON.stringify(`${at}/secret.ts`)})`],
    [
      'a require in a try',
      (at) => `try { require(${JSON.stringify(`${at}/secret.ts`)}) } catch {}\nexport default 1`,
    ],
    ['a dynamic import', (at) => `export default import(${JSON.stringify(`${at}/secret.ts`)})`],
    ['a glob', (at) => `const n = 'secret'\nexport default import(\`${at}/\${n}.ts\`)`],
    ['a file address', (at) => `import x from "file://${at}/secret.ts"\nexport default x`],
    [
      'a data address',
      () => `import x from "data:text/javascript,export default 1"\nexport default x`,
    ],
    ['an http address', () => 'import x from "http://127.0.0.1:1/x.js"\nexport default x'],
    ['an address without a scheme', () => 'import x from "//127.0.0.1/x.js"\nexport default x'],
    ['an escaped path', (at) => `import x from "\\x2f${at.slice(1)}/secret.ts"\nexport default x`],
    ['an empty path', () => 'import x from ""\nexport default x'],
    ['a path of a new line', () => 'import x from "\\n"\nexport default x'],
    [
      'the name that stands for the entry',
      () => 'import x from "entry of the set"\nexport default x',
    ],
    [
      'a source map that lies elsewhere',
      (at) => `import './a'\nexport default 1\n//# sourceMappingURL=${at}/secret.js.map`,
    ],
    ['a JSX source elsewhere', (at) => `/** @jsxImportSource ${at} */\nexport default <a/>`],
  ])('by %s', async (_, code) => {
    const result = await bundle({ 'index.tsx': code(host), 'a.ts': '' }, offline).catch(
      (error: unknown) => error,
    )
    if (result instanceof BundleError)
      expect(JSON.stringify([result, result.errors])).not.toContain(marker)
    else expect(codeOf(result as Bundle) + (result as Bundle).sourceMap).not.toContain(marker)
  })

  test('by its tsconfig, package.json or configuration', async () => {
    const upwards = `../../../../../../../..${host}/secret.ts`
    for (const files of [
      {
        'tsconfig.json': JSON.stringify({
          extends: `${host}/tsconfig.json`,
          compilerOptions: { paths: { x: [`${host}/secret.ts`, upwards] } },
        }),
      },
      {
        'tsconfig.json': JSON.stringify({
          compilerOptions: { baseUrl: host, paths: { x: ['secret.ts'] } },
        }),
      },
      {
        'package.json': JSON.stringify({
          imports: { '#x': upwards, x: upwards },
          browser: { x: upwards },
        }),
      },
      { 'wrangler.json': JSON.stringify({ alias: { x: `${host}/secret.ts` } }) },
      { 'wrangler.json': JSON.stringify({ alias: { x: upwards } }) },
      { 'wrangler.json': JSON.stringify({ tsconfig: `${host}/tsconfig.json` }) },
      { 'package.json': JSON.stringify({ dependencies: { x: `file:${host}` } }) },
    ]) {
      const error = await failure(
        bundle({ 'index.ts': "import x from 'x'\nexport default x", ...files }, offline),
      )
      expect(JSON.stringify([error.message, error.errors])).not.toContain(marker)
    }
  })

  test('names like __proto__ in its data change nothing here', async () => {
    const bad =
      '{ "__proto__": { "polluted": true }, "constructor": { "prototype": { "polluted": true } } }'
    const files = JSON.parse(
      `{ "index.ts": "import d from './d.json'; export default d", "d.json": ${JSON.stringify(bad)}, "jack.json": ${JSON.stringify(`{"vars":${bad}}`)},
         "package.json": ${JSON.stringify(`{"dependencies":${bad},"__proto__":{"main":"x"}}`)}, "tsconfig.json": ${JSON.stringify(`{"compilerOptions":${bad}}`)} }`,
    ) as Files
    await bundle(files, offline)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

describe('a hostile set does not get in the way of others', () => {
  test('one that kills the compiler fails alone', async () => {
    const good = Array.from({ length: 4 }, (_, index) =>
      bundle({ 'index.ts': `import './a'\nexport default ${index}`, 'a.ts': '' }),
    )
    const bad = failure(
      bundle({ 'index.ts': `import './a'\nexport default ${'!\n'.repeat(225_000)}1`, 'a.ts': '' }),
    )
    const made = await Promise.all((await Promise.all(good)).map(load))
    expect(made.map((module) => module.default)).toEqual([0, 1, 2, 3])
    expect((await bad).message).toMatch(/nested too deeply/)
    const next = await bundle({ 'index.ts': "import './a'\nexport default 1", 'a.ts': '' })
    expect((await load(next)).default).toBe(1)
  })

  test('brackets without end are refused before they are parsed', async () => {
    const error = await failure(
      bundle({ 'index.ts': `export default ${'['.repeat(100_000)}${']'.repeat(100_000)}` }),
    )
    expect(error.message).toBe('index.ts is nested too deeply to be compiled.')
  })

  test('thousands of mistakes in one long line are told in few words', async () => {
    const imports = Array.from({ length: 5_000 }, (_, index) => `import './a${index}';`).join('')
    const error = await failure(bundle({ 'index.ts': imports }))
    expect(error.errors.length).toBeLessThanOrEqual(100)
    expect(JSON.stringify(error.errors).length).toBeLessThan(100_000)
  })

  test('a long line that is fine is bundled, with a map to where it was', async () => {
    const made = await bundle({
      'index.ts': `import './a'; export const list = [${'1,'.repeat(100_000)}]`,
      'a.ts': '',
    })
    expect((await load(made)).list).toHaveLength(100_000)
    expect(JSON.parse(made.sourceMap).sources).toContain('index.ts')
  })
})
