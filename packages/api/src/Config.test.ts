import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigError, readConfig, secretNames } from './Config.ts'

const base = { JACK_DATA: '/data' }
const key = `0x${'ab'.repeat(32)}`
const files = (all: Record<string, string>) => (path: string) => {
  const found = all[path]
  if (found === undefined) throw Object.assign(new Error(), { code: 'ENOENT' })
  return found
}

const problemsOf = (env: Record<string, string>, all: Record<string, string> = {}) => {
  try {
    readConfig({ ...base, ...env }, files(all))
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('what a variable says may be in a file that is named with _FILE', () => {
  const all = { '/run/operator': `${key}\n`, '/run/seal': 'c2VhbA==' }
  const { encryptionKey, payments } = readConfig(
    { ...base, JACK_OPERATOR_KEY_FILE: '/run/operator', JACK_ENCRYPTION_KEY_FILE: '/run/seal' },
    files(all),
  )
  expect(payments.operatorKey).toBe(key)
  expect(encryptionKey).toBe('c2VhbA==')
})

test('a file that is not there, and a value that is given twice, are told by name', () => {
  expect(problemsOf({ JACK_OPERATOR_KEY_FILE: '/none' })).toEqual([
    'JACK_OPERATOR_KEY_FILE: /none: ENOENT',
  ])
  const twice = { JACK_OPERATOR_KEY: key, JACK_OPERATOR_KEY_FILE: '/a' }
  expect(problemsOf(twice, { '/a': key })).toEqual([
    'JACK_OPERATOR_KEY: it is given twice, and as JACK_OPERATOR_KEY_FILE',
  ])
})

test('a wrong secret is refused without being told', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^0x[0-9a-f]{20,63}$/), (wrong) => {
      for (const name of ['JACK_OPERATOR_KEY', 'JACK_FEE_PAYER_KEY'] as const) {
        for (const said of [
          problemsOf({ [name]: wrong }),
          problemsOf({ [`${name}_FILE`]: '/a' }, { '/a': wrong }),
        ]) {
          expect(said).toEqual([`${name}: a private key: 0x and 64 hex digits`])
          expect(said.join()).not.toContain(wrong)
        }
      }
    }),
  )
})

test('secrets of challenges come by comma or by line, and none is short', () => {
  const [one, two] = ['1'.repeat(32), '2'.repeat(32)]
  const read = (text: string) => readConfig({ ...base, JACK_MPP_SECRET: text }).payments.secrets
  expect(read(one)).toEqual([one])
  expect(read(`${one}, ${two}`)).toEqual([one, two])
  expect(read(`${one}\n${two}\n`)).toEqual([one, two])
  expect(problemsOf({ JACK_MPP_SECRET: `${one},${'3'.repeat(31)}` })).toEqual([
    'JACK_MPP_SECRET: each has 32 characters or more: openssl rand -base64 32',
  ])
})

test('every key and secret is among those that other processes are not given', () => {
  expect(secretNames.toSorted()).toEqual([
    'DATABASE_URL',
    'JACK_ENCRYPTION_KEY',
    'JACK_FEE_PAYER_KEY',
    'JACK_GITHUB_CLIENT_SECRET',
    'JACK_MPP_SECRET',
    'JACK_OPERATOR_KEY',
    'JACK_RECEIPT_KEY',
  ])
})

test('an app of GitHub has an id and a secret, or there is none', () => {
  expect(readConfig(base).github).toBeNull()
  const github = { JACK_GITHUB_CLIENT_ID: 'Ov23', JACK_GITHUB_CLIENT_SECRET: 'secret' }
  expect(readConfig({ ...base, ...github }).github).toEqual({
    clientId: 'Ov23',
    clientSecret: 'secret',
    url: 'https://github.com',
    apiUrl: 'https://api.github.com',
  })
  expect(problemsOf({ JACK_GITHUB_CLIENT_ID: 'Ov23' })).toEqual([
    'JACK_GITHUB_CLIENT_ID: it goes with JACK_GITHUB_CLIENT_SECRET: set both',
  ])
})
