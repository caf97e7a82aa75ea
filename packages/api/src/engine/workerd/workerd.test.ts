import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { engineContract } from '../engine.contract.ts'
import { levels } from './testing.ts'
import { createWorkerdEngine } from './workerd.ts'

const dirs: string[] = []
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

for (const level of levels)
  engineContract(`workerd at sandbox level ${level}`, (events) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    dirs.push(dataDir)
    return createWorkerdEngine({
      dataDir,
      pool: { size: 2, reuse: 'account', maxUses: 50, queue: 100, queuePerAccount: 50 },
      idleMs: 60_000,
      sandbox: { force: level },
      events,
      logger: { info() {}, warn() {}, error() {} },
    })
  })
