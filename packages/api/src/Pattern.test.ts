import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  compilePattern,
  compileTemplate,
  fillTemplate,
  matchPattern,
  subjectOf,
} from './Pattern.ts'

const match = (pattern: string, text: string, separator = '/') => {
  const matched = matchPattern(compilePattern(pattern, separator), subjectOf(text, separator))
  return matched && Object.fromEntries(matched)
}

test('names take one segment, a star takes any number', () => {
  expect(match('/movies/:title', '/movies/x%20y')).toEqual({ title: 'x%20y' })
  expect(match('/movies/:title', '/movies/x/')).toBe(undefined)
  expect(match('/movies/:title', '/movies/')).toBe(undefined)
  expect(match('/:year-:month-:day', '/2026-01-02-03')).toEqual({
    year: '2026-01',
    month: '02',
    day: '03',
  })
  expect(match('/a/*', '/a/')).toEqual({ splat: '' })
  expect(match('/a/*', '/a')).toBe(undefined)
  expect(match('/a*', '/abc/d')).toEqual({ splat: 'bc/d' })
  expect(match('/*.jpg', '/x/y.jpg')).toEqual({ splat: 'x/y' })
  expect(match('/mid/*/end', '/mid/a/b/end')).toEqual({ splat: 'a/b' })
  expect(match('/mid/*/:last', '/mid/a/b/c')).toEqual({ splat: 'a/b', last: 'c' })
  expect(match(':sub.example.com', 'a.example.com', '.')).toEqual({ sub: 'a' })
  expect(match(':sub.example.com', 'a.b.example.com', '.')).toBe(undefined)
})

test('it matches what the regular expression of the same meaning does', () => {
  const name = fc.constantFrom(':a', ':b', ':c')
  const text = fc.constantFrom('x', 'y', '-', '.', 'xy')
  const segment = fc.oneof(
    text,
    fc.tuple(text, name, text, fc.option(name)).map(([a, b, c, d]) => a + b + c + (d ?? '')),
  )
  const pattern = fc
    .tuple(
      fc.array(segment, { maxLength: 3 }),
      fc.option(fc.constantFrom('*', 'x*', '*x', '*.y')),
      fc.array(segment, { maxLength: 2 }),
    )
    .map(([left, star, right]) => `/${[...left, ...(star ? [star] : []), ...right].join('/')}`)
    .filter((it) => new Set(it.match(/:\w+/g)).size === (it.match(/:\w+/g)?.length ?? 0))
  const path = fc
    .string({ unit: fc.constantFrom('x', 'y', '-', '.', '/'), maxLength: 12 })
    .map((it) => `/${it}`)
  fc.assert(
    fc.property(pattern, path, (pattern, path) => {
      const source = pattern
        .replace(/[.-]/g, '\\$&')
        .replace(/\*/, '(?<splat>.*)')
        .replace(/:([a-z]\w*)/g, '(?<$1>[^/]+)')
      const groups = new RegExp(`^${source}$`).exec(path)
      expect(match(pattern, path)).toEqual(groups ? { ...groups.groups } : undefined)
    }),
    { numRuns: 3_000 },
  )
})

test('a template is filled with what was matched, and other names are text', () => {
  const pattern = compilePattern('/p/:code/*', '/')
  const template = compileTemplate('https://x.y/?c=:code&n=:name&s=:splat', pattern)
  expect(
    fillTemplate(
      template,
      new Map([
        ['code', '1'],
        ['splat', 'a/b'],
      ]),
    ),
  ).toBe('https://x.y/?c=1&n=:name&s=a/b')
})

test('a hostile pattern takes no longer than its length', () => {
  const pattern = compilePattern(
    `/${Array.from({ length: 60 }, (_, i) => `:n${i}-`).join('')}b`,
    '/',
  )
  const subject = subjectOf(`/${'-'.repeat(16_000)}`, '/')
  for (let i = 0; i < 200; i++) expect(matchPattern(pattern, subject)).toBe(undefined)
})
