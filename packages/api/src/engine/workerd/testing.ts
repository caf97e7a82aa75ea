import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, SandboxLevel } from '../Engine.ts'
import { listener, type Told } from '../engine.contract.ts'
import { findBinary } from './binary.ts'
import { detectSandbox } from './sandbox.ts'
import { createWorkerdEngine, type WorkerdOptions } from './workerd.ts'

/** The sandbox levels that work on this machine, the strongest first. */
export const levels: SandboxLevel[] = (['full', 'namespaces', 'none'] as const).filter((force) => {
  const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
  try {
    detectSandbox({ binary: findBinary(dir), dir, force, uidSeed: 1 })
    return true
  } catch (error) {
    console.warn(`Not tested at sandbox level "${force}": ${(error as Error).message}`)
    return false
  }
})

/** A started engine in a directory of its own. */
export async function startEngine(
  over: Partial<Omit<WorkerdOptions, 'events' | 'logger'>> = {},
): Promise<{ engine: Engine; told: Told; dataDir: string }> {
  const { told, events } = listener()
  const dataDir = over.dataDir ?? mkdtempSync(join(tmpdir(), 'jack-test-'))
  // As a server's data directory is: others may pass through, so sandboxed users reach the compiled configs.
  chmodSync(dataDir, 0o711)
  const engine = createWorkerdEngine({
    dataDir,
    pool: { size: 1, reuse: 'account', maxUses: 50, queue: 100, queuePerAccount: 50 },
    idleMs: 60_000,
    events,
    logger: { info() {}, warn() {}, error() {} },
    ...over,
  })
  await engine.start()
  return { engine, told, dataDir }
}
