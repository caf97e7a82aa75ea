import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Hex, toHex } from 'viem'
import { JackError } from '../../Errors.ts'

/** Where a chain is kept while it does not run. */
export interface Memory {
  /** What was saved last, as the chain dumped it. Throws `unavailable` when that is damaged. */
  load(): Promise<Hex | undefined>
  /** Resolves when everything that is true now is on disk. Those who wait at the same time share one write. */
  save(dump: () => Promise<Hex>): Promise<void>
}

/** Of a chain that is gone with its process. */
export const noMemory: Memory = { load: async () => undefined, save: async () => {} }

/** Keeps a chain in one file of the folder, which is whole at any moment. */
export async function openMemory(folder: string, chainId: number): Promise<Memory> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `chain-${chainId}.json.gz`)
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return {
    load: () => read(path),
    save: (dump) => {
      // What is being dumped already may not have what this caller did.
      next ??= running
        .catch(() => {})
        .then(async () => {
          running = next as Promise<void>
          next = undefined
          await replace(path, Buffer.from((await dump()).slice(2), 'hex'))
        })
      return next
    },
  }
}

async function read(path: string): Promise<Hex | undefined> {
  const bytes = await readFile(path).catch((error) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (!bytes) return undefined
  try {
    // Carries a checksum, which is verified here.
    const state = JSON.parse((await promisify(gunzip)(bytes)).toString('utf8'))
    if (typeof state.accounts !== 'object') throw new Error('it has no accounts')
    return toHex(bytes)
  } catch (cause) {
    throw new JackError(
      'unavailable',
      `What the local chain keeps in ${path} is damaged: ${(cause as Error).message}.`,
      {
        hint: 'Put back a copy of the file, or move it away: then a new chain starts, on which nobody has a channel or a balance.',
        cause,
      },
    )
  }
}

async function replace(path: string, content: Buffer): Promise<void> {
  const draft = `${path}.draft`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  const folder = await open(join(path, '..'))
  await folder.sync().finally(() => folder.close())
}
