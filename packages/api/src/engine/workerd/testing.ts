import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Engine, SandboxLevel } from '../Engine.ts'
import { listener, type Told } from '../engine.contract.ts'
import { findBinary } from './binary.ts'
import { detectSandbox } from './sandbox.ts'
import { createWorkerdEngine, type WorkerdOptions } from './workerd.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder that goes when the tests of the file are over. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jack-test-'))
  folders.push(folder)
  return folder
}

/** The sandbox levels that work on this machine, the strongest first. */
export const levels: SandboxLevel[] = (['full', 'namespaces', 'none'] as const).filter((force) => {
  const dir = newFolder()
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
  const dataDir = over.dataDir ?? newFolder()
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
