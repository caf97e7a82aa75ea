import { bundle } from '@jackcloud/bundler'
import { afterEach, expect, test } from 'vitest'
import type { NewLogLine } from '../store/logs.ts'
import { type LoadSource, SourceMaps } from './sourceMaps.ts'

let maps: SourceMaps
afterEach(() => maps.close())

const open = (load: LoadSource, options?: ConstructorParameters<typeof SourceMaps>[1]) => {
  maps = new SourceMaps(load, options)
}

const line = (message: string, deploymentId: string | null = 'dep_1'): NewLogLine => ({
  projectId: 'prj_1',
  deploymentId,
  at: new Date(0),
  level: 'error',
  message,
})

const mapped = async (...lines: NewLogLine[]) =>
  (await maps.mapped(lines)).map(({ message }) => message)

const stack = 'Uncaught Error: x\n    at Object.fetch (index.js:1:1)'

test('a stack is put into the words of its sources, and the map is read once', async () => {
  const made = await bundle({
    'index.ts': `import { fail } from './lib/fail.ts'\nexport default { fetch() { return fail('x') } }`,
    'lib/fail.ts': `type Text = string\n\nexport function fail(text: Text): never {\n  throw new Error(text)\n}`,
  })
  const code = Buffer.from(made.modules[0]?.bytes as Uint8Array).toString()
  const row = code.split('\n').findIndex((it) => it.includes('new Error')) + 1
  const column = (code.split('\n')[row - 1] as string).indexOf('new Error') + 1
  let loads = 0
  open(async () => {
    loads++
    return { main: made.main, sourceMap: Buffer.from(made.sourceMap) }
  })
  const thrown = `Uncaught Error: x\n    at fail (${made.main}:${row}:${column})\n    at other.js:1:1`
  const read = 'Uncaught Error: x\n    at fail (lib/fail.ts:4:9)\n    at other.js:1:1'
  for (let i = 0; i < 2; i++) {
    expect(await mapped(line('no stack'), line(thrown), line(thrown, null))).toEqual([
      'no stack',
      read,
      thrown,
    ])
  }
  expect(loads).toBe(1)
})

test.each([
  ['is no JSON', '{'],
  ['is of another kind', '[]'],
  ['has no mappings', '{"version":3,"sources":[]}'],
  [
    'points to sources that are not there',
    '{"version":3,"sources":[],"names":[],"mappings":"AAAA,AAAA"}',
  ],
  [
    'steers a terminal',
    JSON.stringify({ version: 3, sources: ['\u001b[2Ja\nb.ts'], names: [], mappings: 'AAAA' }),
  ],
])('a map that %s leaves the line as it is', async (_, map) => {
  open(async () => ({ main: 'index.js', sourceMap: Buffer.from(map) }))
  expect(await mapped(line(stack))).toEqual([stack])
})

test('a map that takes too long or too much memory costs its own version, once, and nobody else', async () => {
  const loads: string[] = []
  const good = { version: 3, sources: ['a.ts'], names: [], mappings: 'AAAA' }
  // Each character is a segment of its own: a hundred times as much in memory as in text.
  const huge = JSON.stringify({ ...good, mappings: 'A,'.repeat(7_900_000) })
  open(
    async (id) => {
      loads.push(id)
      return {
        main: 'index.js',
        sourceMap: Buffer.from(id === 'dep_huge' ? huge : JSON.stringify(good)),
      }
    },
    { jobMs: 300, patienceMs: 20_000 },
  )
  // Whatever it is that ends it, it is over and the line is there.
  expect(await mapped(line(stack, 'dep_huge'))).toEqual([stack])
  expect(await mapped(line(stack, 'dep_huge'))).toEqual([stack])
  expect(loads).toEqual(['dep_huge'])
  await expect
    .poll(() => mapped(line(stack, 'dep_good')), { timeout: 10_000 })
    .toEqual([stack.replace('index.js', 'a.ts')])
}, 60_000)

test('lines do not wait for a source that does not come', async () => {
  open(() => new Promise(() => {}), { patienceMs: 50 })
  expect(await mapped(line(stack))).toEqual([stack])
})

test('a version without a map, and one that cannot be loaded, leave their lines as they are', async () => {
  open(async (id) => {
    if (id === 'dep_1') return null
    throw new Error('the database is away')
  })
  expect(await mapped(line(stack), line(stack, 'dep_2'))).toEqual([stack, stack])
})
