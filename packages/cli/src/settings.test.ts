import { expect, test } from 'vitest'
import { refuseStrangeUrl, resolveSettings, type Sources } from './settings.ts'

const nothing: Sources = {
  flags: {},
  env: {},
  place: {},
  user: { file: '/home/me/.config/jack/config.json', tokens: {} },
  defaults: { data: '/home/me/.local/share/jack' },
}

test('flags win over the environment, that over jack.json, that over the user, that over defaults', () => {
  const jackJson = { file: '/p/jack.json', url: 'https://json.example.com', name: 'from-json' }
  const user = { ...nothing.user, url: 'https://user.example.com' }
  const layers: [Partial<Sources>, string, string][] = [
    [{}, 'http://127.0.0.1:8787', 'default'],
    [{ user }, 'https://user.example.com', user.file],
    [{ place: { jackJson } }, 'https://json.example.com', '/p/jack.json'],
    [
      { env: { JACK_URL: 'https://env.example.com' } },
      'https://env.example.com',
      'environment JACK_URL',
    ],
    [{ flags: { url: 'https://flag.example.com' } }, 'https://flag.example.com', '--url'],
  ]
  let sources = nothing
  for (const [layer, value, origin] of layers) {
    sources = { ...sources, ...layer }
    expect(resolveSettings(sources).url).toEqual({ value, origin })
  }
})

test('an empty environment variable is none', () => {
  const env = { JACK_URL: '', JACK_TOKEN: '' }
  expect(resolveSettings({ ...nothing, env })).toMatchObject({
    url: { origin: 'default' },
    token: { value: undefined, origin: 'not set' },
  })
})

test('a kept token goes only to the URL that it was made for, however that is spelled', () => {
  const user = { ...nothing.user, tokens: { 'https://a.example.com': 'jkt_a' } }
  const tokenFor = (url: string) =>
    resolveSettings({ ...nothing, user, flags: { url } }).token.value
  expect(tokenFor('https://A.example.com/')).toBe('jkt_a')
  expect(tokenFor('https://b.example.com')).toBeUndefined()
  expect(tokenFor('http://a.example.com')).toBeUndefined()
})

test('the project is the one that was named, else that of jack.json, else the linked one of this cloud', () => {
  const link = { project: 'linked', project_id: 'prj_1', url: 'http://127.0.0.1:8787' }
  const jackJson = { file: '/p/jack.json', name: 'from-json' }
  const projectOf = (more: Partial<Sources>) =>
    resolveSettings({ ...nothing, ...more }).project.value
  expect(projectOf({ flags: { project: 'named' }, place: { jackJson, link } })).toBe('named')
  expect(projectOf({ place: { jackJson, link } })).toBe('from-json')
  expect(projectOf({ place: { link } })).toBe('linked')
  expect(
    projectOf({ place: { link: { ...link, url: 'https://elsewhere.example.com' } } }),
  ).toBeUndefined()
})

test('a token from the environment does not follow a URL that a repository chose', () => {
  const strange = (more: Partial<Sources>, url = 'https://evil.example.com') => {
    const sources = {
      ...nothing,
      place: { jackJson: { file: '/p/jack.json', url } },
      env: { JACK_TOKEN: 'jkt_x' },
      ...more,
    }
    return () => refuseStrangeUrl(resolveSettings(sources), sources)
  }
  expect(strange({})).toThrow('JACK_TOKEN would be sent there')
  expect(strange({}, 'http://localhost:9000')).not.toThrow()
  expect(strange({ env: { JACK_TOKEN: 'jkt_x', CI: 'true' } })).not.toThrow()
  expect(strange({ flags: { url: 'https://evil.example.com' } })).not.toThrow()
  expect(
    strange({ user: { ...nothing.user, tokens: { 'https://evil.example.com': 'jkt_y' } } }),
  ).not.toThrow()
})

test('a wallet pays no cloud that only a repository chose, not even in CI', () => {
  const sources = {
    ...nothing,
    place: { jackJson: { file: '/p/jack.json', url: 'https://evil.example.com' } },
    env: { CI: 'true' },
  }
  const refused = (it: Sources) => () => refuseStrangeUrl(resolveSettings(it), it, 'wallet')
  expect(refused(sources)).toThrow('the wallet would pay there')
  expect(refused({ ...sources, env: { JACK_URL: 'https://evil.example.com' } })).not.toThrow()
})
