import { expect, test } from 'vitest'
import { bundle } from './bundle.ts'
import { isPlain } from './plain.ts'

test('plain JavaScript stays as it is when that is asked for', async () => {
  const code = 'export const run = (input) => {\n  // said twice\n  return input.a * 2\n}\n'
  const made = await bundle({ 'main.ts': code }, { keepPlain: true })
  expect(Buffer.from(made.modules[0]?.bytes ?? []).toString()).toBe(code)
  expect(made).toMatchObject({ sourceMap: '', inputs: ['main.ts'], usesNode: false })
  expect((await bundle({ 'main.ts': code })).sourceMap).not.toBe('')
})

test.each([
  ['a type', 'export const run = (n: number) => n'],
  ['a type argument, which is a comparison too', 'export const run = (x) => parse<T>(x)'],
  ['a type argument over lines', 'export const run = (x) => parse<\n  T\n>(x)'],
  ['a comparison that could be one', 'export default (a, b) => a < b && b > (a)'],
  ['an import', "import x from './x'\nexport default x"],
  ['a dynamic import', "export const run = () => import('./x')"],
  ['JSX', 'export const run = () => <b/>'],
  ['a mistake', 'export const run = () => { return 1 + }'],
  ['a return outside of a function', 'return 1\nexport {}'],
  ['a name that is declared twice', 'const a = 1\nconst a = 2\nexport { a }'],
  ['no export', 'const a = 1'],
  ['much nesting', `export default ${'!'.repeat(15_000)}1`],
])('%s is for the compiler', (_, code) => {
  expect(isPlain('main.ts', code)).toBe(false)
})

test('modern JavaScript is plain', () => {
  const code = `export const run = async ({ n }) => {
    for await (const x of [n]) await x
    return class { static #a = n?.b ?? 2n ** 3n; static { this.c = /</.test('>') } }
  }`
  expect(isPlain('main.ts', code)).toBe(true)
})
