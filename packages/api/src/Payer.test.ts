import { expect, test } from 'vitest'
import { type Payer, requireProject, requireScope } from './Payer.ts'

const payer = (it: Partial<Payer>): Payer => ({
  accountId: 'acc_1',
  slug: 'local',
  scopes: [],
  tokenId: 'tok_1',
  trustId: null,
  projectId: null,
  dailyCapMicroUsd: null,
  funding: { kind: 'balance' },
  ...it,
})

test('admin may do everything, deploy may read, and nothing else implies anything', () => {
  expect(() => requireScope(payer({ scopes: ['admin'] }), 'execute')).not.toThrow()
  expect(() => requireScope(payer({ scopes: ['deploy'] }), 'read')).not.toThrow()
  expect(() => requireScope(payer({ scopes: ['deploy'] }), 'execute')).toThrow(
    /needs the scope "execute"/,
  )
  expect(() => requireScope(payer({ scopes: ['read'] }), 'deploy')).toThrow(
    /needs the scope "deploy"/,
  )
  expect(() => requireScope(payer({ scopes: ['execute', 'deploy'] }), 'admin')).toThrow()
})

test('a token of one project touches no other and makes no new one', () => {
  const confined = payer({ projectId: 'prj_a' })
  expect(() => requireProject(confined, 'prj_a')).not.toThrow()
  expect(() => requireProject(confined, 'prj_b')).toThrow(/another project/)
  expect(() => requireProject(confined, null)).toThrow(/another project/)
  expect(() => requireProject(payer({}), null)).not.toThrow()
})
