import { createHash } from 'node:crypto'
import { projectNameLength } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHost, projectLabel } from './Host.ts'
import { slugsNamed, slugsOf } from './Slug.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('whatever somebody is called elsewhere, his names are names here, and leave room for projects', () => {
  const login = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[A-Za-z0-9-]{1,39}$/),
    fc.constantFrom('dep', 'dep-', 'Dep-loy', 'LOCAL', 'local-1', 'api', '---', '\u00e9t\u00e9'),
  )
  fc.assert(
    fc.property(login, fc.string(), (it, seed) => {
      const slugs = [...slugsNamed(it, seed, sha256)]
      expect(new Set(slugs).size).toBeGreaterThan(10)
      for (const slug of slugs) {
        expect(slug).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
        expect(slug).not.toMatch(/^(dep|local)(-|$)/)
        const label = projectLabel(slug, 'p'.repeat(projectNameLength))
        expect(parseHost(`${label}.localhost`, 'localhost')).toEqual({ kind: 'project', label })
      }
    }),
  )
})

test('the same person, and the same wallet, is offered the same names everywhere', () => {
  expect([...slugsNamed('octocat', '1', sha256)]).toEqual([...slugsNamed('octocat', '1', sha256)])
  expect([...slugsOf('0xabc', sha256)]).toEqual([...slugsOf('0xabc', sha256)])
})
