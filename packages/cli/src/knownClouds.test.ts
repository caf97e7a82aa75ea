import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Totals } from '@jackcloud/sdk/wire'
import { expect, test } from 'vitest'
import { compareAndRemember, knownCloudsFile } from './knownClouds.ts'

const file = () => knownCloudsFile(join(mkdtempSync(join(tmpdir(), 'jack-clouds-')), 'config.json'))

/** A bill with the given hashes that one key signed. */
const seen = (hashes: string, key = 'a', account_id = 'acc_1', url = 'https://jack.example') => ({
  url,
  totals: { account_id, key_ids: [key] } as Totals,
  receipts: [...hashes].map((hash) => ({ hash })),
})

test('the key of a cloud is remembered when it is first seen, and a change is told once', () => {
  const clouds = file()
  const look = (it: ReturnType<typeof seen>) => compareAndRemember(clouds, it, true).key
  expect(look(seen('x'))).toBe('new')
  expect(look(seen('xy'))).toBe('known')
  expect(look(seen('xy', 'b'))).toBe('changed')
  expect(look(seen('xy', 'b'))).toBe('known')
  expect(look(seen('xy', 'a'))).toBe('known')
  expect(look(seen('z', 'c', 'acc_1', 'https://other.example'))).toBe('new')
  expect(statSync(clouds).mode & 0o777).toBe(0o600)
})

test('receipts that were verified before are still there, whoever has the key', () => {
  const clouds = file()
  const look = (hashes: string, whole = true, account = 'acc_1') =>
    compareAndRemember(clouds, seen(hashes, 'a', account), whole).finding
  expect(look('xy')).toBe(null)
  expect(look('xyz')).toBe(null)
  expect(look('xya')).toMatchObject({ rule: 'past', position: 3, found: 'a' })
  expect(look('xy')).toMatchObject({ rule: 'past', position: 3, found: 'no such receipt' })
  // An older file is no lie.
  expect(look('xy', false)).toBe(null)
  expect(look('xyzz')).toBe(null)
  expect(look('', true, 'acc_2')).toBe(null)
  expect(look('q', true, 'acc_2')).toBe(null)
})
