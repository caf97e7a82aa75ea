import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matches, requireNarrow } from './Trust.ts'

const github = 'https://token.actions.githubusercontent.com'

test.each([
  [github, 'repo:octo/app:*'],
  [github, 'repo:octo/app:ref:refs/heads/*'],
  [github, 'repo:octo/app:environment:production'],
  ['https://gitlab.com', 'project_path:group/sub/app:*'],
  ['https://ci.example', 'runner-7'],
])('%s may be trusted for %s', (issuer, subject) => {
  expect(() => requireNarrow(issuer, subject)).not.toThrow()
})

test.each([
  [github, '*'],
  [github, 'repo:*'],
  [github, 'repo:octo/*'],
  [github, 'repo:octo/app*'],
  ['https://gitlab.com', 'project_path:group/*'],
  ['https://ci.example', 'runner-*'],
])('%s may not be trusted for %s: others could have that', (issuer, subject) => {
  expect(() => requireNarrow(issuer, subject)).toThrow('would trust strangers')
})

test('a pattern takes what begins like it, and a whole subject only itself', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (begin, end) => {
      fc.pre(!begin.endsWith('*'))
      expect(matches(`${begin}*`, begin + end)).toBe(true)
      expect(matches(begin, begin + end)).toBe(end === '')
    }),
  )
})
