import { expect, test } from 'vitest'
import { defaultDataFolder, userConfigFile } from './folders.ts'

test('folders follow XDG, and a relative one is ignored', () => {
  expect(userConfigFile({ XDG_CONFIG_HOME: 'relative', HOME: '/home/me' })).toBe(
    '/home/me/.config/jack/config.json',
  )
  expect(defaultDataFolder({ XDG_DATA_HOME: '/d' })).toBe('/d/jack')
})
