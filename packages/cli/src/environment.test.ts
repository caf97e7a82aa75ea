import { expect, test } from 'vitest'
import { hours, milliseconds } from './duration.ts'
import { assignments, parseEnvFile } from './environment.ts'

test('NAME=value keeps every further "=", and NAME alone takes the value from here', () => {
  expect(assignments(['A=b=c', 'EMPTY=', 'HOME_OF'], { HOME_OF: '/x' })).toEqual({
    A: 'b=c',
    EMPTY: '',
    HOME_OF: '/x',
  })
  expect(() => assignments(['MISSING'])).toThrow('MISSING has no value')
  expect(() => assignments(['1A=x'])).toThrow('not a name')
})

test('an .env file may have comments, quotes and exports', () => {
  expect(parseEnvFile('\uFEFF# c\nA=1\nexport B="two words"\nC=\'x # y\'\n')).toEqual({
    A: '1',
    B: 'two words',
    C: 'x # y',
  })
})

test('lengths of time are read with their unit', () => {
  expect(['90m', '24', '7d', '1.5h'].map(hours)).toEqual([1.5, 24, 168, 1.5])
  expect(['250', '5s', '1m'].map(milliseconds)).toEqual([250, 5_000, 60_000])
  for (const wrong of ['', '0', '-1h', '5y'])
    expect(() => hours(wrong)).toThrow('not a length of time')
})
