import { mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cache } from './cache.ts'
import { type Bundle, BundleError, bundle, stop } from './index.ts'
import { readPackageLock, readPnpmLock } from './lockfile.ts'
import {
  type Contents,
  hasSideEffects,
  type Manifest,
  resolveImports,
  resolveInside,
  resolveSubpath,
} from './packageExports.ts'
import { readTar } from './tar.ts'

let temp: string

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'jack-packages-'))
})

afterAll(async () => {
  await stop()
  await rm(temp, { recursive: true, force: true })
})

const hono = {
  'index.ts':
    "import { Hono } from 'hono'\nconst app = new Hono()\napp.get('/', (c) => c.text('hi'))\nexport default app",
}

async function load(made: Bundle): Promise<Record<string, unknown>> {
  return import(
    `data:text/javascript;base64,${Buffer.from(made.modules[0]?.bytes ?? '').toString('base64')}`
  )
}

describe('packages from the npm registry', () => {
  test('a Hono program of one file runs, and again without the network', async () => {
    const cacheDir = join(temp, 'hono')
    const made = await bundle(hono, { cacheDir })
    expect(made.packages).toMatchObject([
      {
        name: 'hono',
        requested: 'latest',
        latest: true,
        integrity: expect.stringMatching(/^sha512-/),
      },
    ])
    const app = (await load(made)).default as { request(path: string): Promise<Response> }
    expect(await (await app.request('/')).text()).toBe('hi')
    expect(await bundle(hono, { cacheDir, offline: true })).toEqual(made)
    expect(made.sourceMap).not.toContain(temp)
  })

  test('JSX belongs to the library that the program uses', async () => {
    const files = {
      'index.tsx':
        "import { Hono } from 'hono'\nexport const app = new Hono()\nexport const run = () => String(<b>hi</b>)",
    }
    const made = await bundle(files, { cacheDir: join(temp, 'hono') })
    expect(((await load(made)).run as () => string)()).toBe('<b>hi</b>')
  })

  test('versions of package.json, of a range, an alias, and of what they depend on', async () => {
    const made = await bundle(
      {
        'index.ts':
          "import ms from 'ms'\nimport debug from 'debug'\nimport old from 'old-ms'\nexport const run = () => [ms('1s'), typeof debug, old('2s')]",
        'package.json':
          '{ "dependencies": { "ms": "2.1.2", "debug": "~4.3.0", "old-ms": "npm:ms@^1.0.0" } }',
      },
      { cacheDir: join(temp, 'ms') },
    )
    expect(((await load(made)).run as () => unknown)()).toEqual([1000, 'function', 2000])
    const versions = made.packages.map(({ name, version }) => `${name}@${version}`)
    expect(versions).toContain('ms@1.0.0')
    expect(versions).toContain('ms@2.1.3')
    expect(versions.find((id) => id.startsWith('debug@'))).toMatch(/^debug@4\.3\./)
  })

  test('a lockfile decides, and its integrity is kept to', async () => {
    const lock = (integrity?: string) =>
      JSON.stringify({
        lockfileVersion: 3,
        packages: {
          '': {},
          'node_modules/ms': {
            version: '2.0.0',
            resolved: 'http://127.0.0.1:1/evil.tgz',
            ...(integrity ? { integrity } : {}),
          },
        },
      })
    const files = {
      'index.ts': "import ms from 'ms'\nexport const run = () => ms('1s')",
      'package.json': '{ "dependencies": { "ms": "^2.0.0" } }',
    }
    const made = await bundle(
      { ...files, 'package-lock.json': lock() },
      { cacheDir: join(temp, 'lock') },
    )
    expect(made.packages).toMatchObject([
      { name: 'ms', version: '2.0.0', requested: '^2.0.0', latest: false },
    ])
    const wrong = `sha512-${Buffer.alloc(64, 1).toString('base64')}`
    const error = await bundle(
      { ...files, 'package-lock.json': lock(wrong) },
      { cacheDir: join(temp, 'lock') },
    ).catch((reason: unknown) => reason)
    expect((error as BundleError).errors[0]?.text).toMatch(
      /not the file that its integrity promises/,
    )
  })

  test.each([
    ['no such package', "import 'jack-no-such-package-at-all'", '', /There is no package/],
    [
      'no matching version',
      "import 'ms'",
      '{ "dependencies": { "ms": "^99.0.0" } }',
      /No version of ms matches "\^99\.0\.0"/,
    ],
    ['no such subpath', "import 'hono/nope'", '', /hono@.* has no "nope" to import/],
  ])('%s is an error with a place', async (_, code, manifest, text) => {
    const files = { 'index.ts': code, ...(manifest ? { 'package.json': manifest } : {}) }
    const error = await bundle(files, { cacheDir: join(temp, 'hono') }).catch(
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(BundleError)
    expect((error as BundleError).errors[0]).toMatchObject({
      file: 'index.ts',
      line: 1,
      text: expect.stringMatching(text),
    })
  })

  test('limits on the number and the size of packages hold', async () => {
    for (const limits of [{ packageBytes: 10_000 }, { packages: 0 }, { packageFiles: 3 }]) {
      const error = await bundle(hono, {
        cacheDir: join(temp, `l${Object.keys(limits)}`),
        limits,
      }).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'bundle_failed' })
    }
  })
})

describe('the cache', () => {
  const file = (path: string, size = 10) => ({ path, bytes: Buffer.alloc(size, 'x') })

  test('many writers of one package leave one whole package', async () => {
    const root = join(temp, 'race')
    const put = () => new Cache(root, 1e9).put('sha512-a', [file('package.json'), file('lib/a.js')])
    const all = await Promise.all(Array.from({ length: 12 }, put))
    expect(new Set(all.map(({ folder }) => folder)).size).toBe(1)
    expect(await readdir(join(root, 'v1', 'packages'))).toHaveLength(1)
    expect(await readdir(join(root, 'v1', 'aside'))).toEqual([])
    expect(await readFile(join(all[0]?.folder ?? '', 'lib/a.js'), 'utf8')).toBe('xxxxxxxxxx')
  })

  test('what was used longest ago goes first, and what is in use stays', async () => {
    const cache = new Cache(join(temp, 'lru'), 250)
    const old = new Date(Date.now() - 3_600_000)
    for (const name of ['a', 'b']) {
      const { folder } = await cache.put(name, [file('x', 100)])
      await utimes(join(folder, '..'), old, name === 'a' ? old : new Date(old.getTime() + 1_000))
    }
    await cache.put('c', [file('x', 100)])
    expect([
      await cache.find('a'),
      (await cache.find('b'))?.sizeBytes,
      (await cache.find('c'))?.sizeBytes,
    ]).toEqual([undefined, 100, 100])
    await cache.put('d', [file('x', 1_000)])
    expect((await cache.find('d'))?.sizeBytes).toBe(1_000)
  })
})

describe('archives', () => {
  test('links and paths that lead elsewhere never land', () => {
    const archive = Buffer.concat([
      entry('package/ok.js', '0', 'ok'),
      entry('package/../../evil.js', '0', 'evil'),
      entry('/package/evil.js', '0', 'evil'),
      entry('package/a\\..\\evil.js', '0', 'evil'),
      entry('package/__proto__/x.js', '0', 'evil'),
      entry('package/link.js', '2', '', '/etc/passwd'),
      entry('package/hard.js', '1', '', '/etc/passwd'),
      entry('PaxHeader', 'x', pax('path', 'package/../../../evil.js')),
      entry('package/innocent.js', '0', 'evil'),
      entry('PaxHeader', 'x', pax('path', 'package/deep/name.js')),
      entry('package/short', '0', 'deep'),
      entry('package/OK.js', '0', 'twin'),
      Buffer.alloc(1024),
    ])
    const files = readTar(archive, 100)
    expect(files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()])).toEqual([
      ['ok.js', 'ok'],
      ['deep/name.js', 'deep'],
    ])
    expect(() => readTar(archive, 1)).toThrow('more than 1 files')
    expect(() => readTar(archive.subarray(0, 513), 100)).toThrow('cut off')
    expect(() => readTar(Buffer.alloc(512, 'x'), 100)).toThrow('damaged')
    expect(gzipSync(Buffer.alloc(1_000_000)).byteLength).toBeLessThan(2_000)
  })

  function pax(key: string, value: string): string {
    const length = key.length + value.length + 3
    const total = length + String(length + 2).length
    return `${total} ${key}=${value}\n`
  }

  function entry(name: string, type: string, content: string, link = ''): Buffer {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\0', 100)
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('        ', 148)
    header.write(type, 156)
    header.write(link, 157)
    header.write('ustar\0', 257)
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    return Buffer.concat([
      header,
      Buffer.from(content),
      Buffer.alloc((512 - (content.length % 512)) % 512),
    ])
  }
})

describe('where a package keeps its modules', () => {
  const contents = (manifest: Manifest, files: string[]): Contents => ({
    manifest,
    has: (path) => files.includes(path),
    hasFolder: (path) => files.some((file) => file.startsWith(`${path}/`)),
    nested: () => undefined,
  })

  test('exports: conditions, patterns, null and nothing outside', () => {
    const pkg = contents(
      {
        exports: {
          '.': { node: './n.js', workerd: './w.js', default: './d.js' },
          './f/*': './lib/*.js',
          './f/private': null,
          './up': './../up.js',
          './x': [{ require: './r.cjs' }, './i.js'],
        },
      },
      ['n.js', 'w.js', 'd.js', 'lib/a.js', 'lib/private.js', 'r.cjs', 'i.js'],
    )
    expect(resolveSubpath(pkg, '', 'import')).toEqual({ file: 'w.js' })
    expect(resolveSubpath(pkg, 'f/a', 'import')).toEqual({ file: 'lib/a.js' })
    expect(resolveSubpath(pkg, 'f/private', 'import')).toBeUndefined()
    expect(resolveSubpath(pkg, 'f/../../x', 'import')).toBeUndefined()
    expect(resolveSubpath(pkg, 'up', 'import')).toBeUndefined()
    expect(resolveSubpath(pkg, 'x', 'require')).toEqual({ file: 'r.cjs' })
    expect(resolveSubpath(pkg, 'x', 'import')).toEqual({ file: 'i.js' })
    expect(resolveSubpath(pkg, 'lib/a.js', 'import')).toBeUndefined()
  })

  test('main, module, browser, imports and sideEffects', () => {
    const pkg = contents(
      {
        main: 'lib',
        module: './m.js',
        browser: { './m.js': './b.js', fs: false },
        imports: { '#x': './m.js' },
        sideEffects: ['*.css', './src/**/*.js'],
      },
      ['lib/index.js', 'm.js', 'b.js'],
    )
    expect(resolveSubpath(pkg, '', 'import')).toEqual({ file: 'b.js' })
    expect(resolveSubpath(pkg, '', 'require')).toEqual({ file: 'lib/index.js' })
    expect(resolveInside(pkg, 'm', 'import')).toEqual({ file: 'b.js' })
    expect(resolveImports(pkg, '#x', 'import')).toEqual({ file: 'm.js' })
    expect(
      ['a/x.css', 'src/a/b.js', 'other.js'].map((path) => hasSideEffects(pkg.manifest, path)),
    ).toEqual([true, true, false])
  })
})

describe('lockfiles', () => {
  test('package-lock.json is read as npm lays packages out', () => {
    const lock = readPackageLock(
      JSON.stringify({
        packages: {
          '': {},
          'node_modules/a': { version: '1.0.0' },
          'node_modules/a/node_modules/b': { version: '2.0.0' },
          'node_modules/b': { version: '1.0.0' },
        },
      }),
    )
    expect(lock?.find(undefined, 'b')?.locked.version).toBe('1.0.0')
    expect(lock?.find('node_modules/a', 'b')?.locked.version).toBe('2.0.0')
    expect(lock?.find('node_modules/a/node_modules/b', 'a')?.locked.version).toBe('1.0.0')
    expect(lock?.find(undefined, 'c')).toBeUndefined()
  })

  test('pnpm-lock.yaml is read too, peers and all', async () => {
    const lock = readPnpmLock(
      await readFile(new URL('../../../pnpm-lock.yaml', import.meta.url), 'utf8'),
    )
    expect(lock?.find(undefined, 'hono')?.locked).toMatchObject({
      name: 'hono',
      integrity: expect.stringMatching(/^sha512-/),
    })
    const vitest = lock?.find(undefined, 'vitest')
    expect(lock?.find(vitest?.location, '@vitest/mocker')?.locked.version).toMatch(/^\d/)
  })
})
