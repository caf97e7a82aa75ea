import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deploymentLabel, parseHost, projectLabel } from './Host.ts'

test('the label before the domain says what is asked for', () => {
  expect(parseHost('local-hello.localhost:8787', 'localhost')).toEqual({
    kind: 'project',
    label: 'local-hello',
  })
  expect(parseHost('dep-01kb3v9x2mf4c8hjkm12.localhost', 'localhost')).toEqual({
    kind: 'deployment',
    deploymentId: 'dep_01kb3v9x2mf4c8hjkm12',
  })
  expect(parseHost('localhost:8787', 'localhost')).toEqual({ kind: 'api' })
  expect(parseHost('127.0.0.1:8787', 'localhost')).toEqual({ kind: 'api' })
  expect(parseHost('[::1]:8787', 'localhost')).toEqual({ kind: 'api' })
  expect(parseHost('api.jack.example', 'jack.example')).toEqual({ kind: 'api' })
})

test('case, a final dot and the port make no difference', () => {
  expect(parseHost('LOCAL-Hello.LocalHost.:80', 'localhost')).toEqual({
    kind: 'project',
    label: 'local-hello',
  })
})

test.each([
  undefined,
  '',
  'a.b.localhost',
  'evil.example',
  'local-hello.localhost.evil.example',
  'local_hello.localhost',
  '-a.localhost',
  'a-.localhost',
  'a b.localhost',
  'local-hello.localhost@evil',
  'local-hello.localhost:99999999',
  `${'a'.repeat(64)}.localhost`,
])('a forged or odd Host leads nowhere: %s', (host) => {
  expect(parseHost(host, 'localhost')).toEqual({ kind: 'unknown' })
})

test('every host that we make is read back as what it was made for', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/)
  fc.assert(
    fc.property(word, word, (slug, project) => {
      fc.pre(slug !== 'dep' && slug !== 'api')
      const label = projectLabel(slug, project)
      expect(parseHost(`${label}.localhost:1`, 'localhost')).toEqual({ kind: 'project', label })
    }),
  )
  fc.assert(
    fc.property(fc.stringMatching(/^dep_[0-9a-z]{24}$/), (deploymentId) => {
      const host = `${deploymentLabel(deploymentId)}.localhost`
      expect(parseHost(host, 'localhost')).toEqual({ kind: 'deployment', deploymentId })
    }),
  )
})

test('no Host makes it throw', () => {
  fc.assert(fc.property(fc.string(), (host) => void parseHost(host, 'localhost')))
})
