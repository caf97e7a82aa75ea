import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { userConfigFile } from './folders.ts'
import { changeUserConfig, readUserConfig } from './userConfig.ts'

const env = () => ({ XDG_CONFIG_HOME: mkdtempSync(join(tmpdir(), 'jack-config-')) })

test('what is kept is for its owner alone, and nothing else is left beside it', () => {
  const file = userConfigFile(env())
  expect(readUserConfig(file)).toEqual({ tokens: {} })
  changeUserConfig(file, (config) => {
    config.url = 'http://127.0.0.1:1'
    config.tokens['http://127.0.0.1:1'] = 'jkt_a'
  })
  changeUserConfig(file, (config) => {
    config.tokens['http://127.0.0.1:2'] = 'jkt_b'
  })
  expect(readUserConfig(file)).toEqual({
    url: 'http://127.0.0.1:1',
    tokens: { 'http://127.0.0.1:1': 'jkt_a', 'http://127.0.0.1:2': 'jkt_b' },
  })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
  expect(readdirSync(dirname(file))).toEqual(['config.json'])
})

test('a broken file is named, not overwritten', () => {
  const { XDG_CONFIG_HOME } = env()
  const file = join(XDG_CONFIG_HOME, 'config.json')
  writeFileSync(file, '{oops')
  expect(() => readUserConfig(file)).toThrow(`${file} is not valid JSON`)
})
