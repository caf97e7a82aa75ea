import { Backup } from '../Backup.ts'
import type { Jack } from '../jack.ts'
import type { Archive } from '../store/archive.ts'
import { keptSecrets } from '../store/keyFile.ts'
import type { Snapshot } from '../store/snapshot.ts'

/** How much of a table is one file of the archive. */
const pieceBytes = 4 * 1_048_576

export interface BackupReport {
  projects: number
  blobs: number
  /** Blobs that versions need and that are damaged or gone: they are in no backup. */
  lost: string[]
}

/**
 * Writes the whole cloud into an archive while it runs: the database as it is at one moment, every blob that it names,
 * and what each project keeps as it is at one moment, shortly after.
 */
export async function backup(
  jack: Jack,
  openSnapshot: () => Promise<Snapshot>,
  archive: Archive,
): Promise<BackupReport> {
  await jack.recorder.flush()
  const snapshot = await openSnapshot()
  try {
    await archive.add('backup.json', JSON.stringify(describe(jack, snapshot), null, 2))
    await addTables(archive, snapshot)
    const lost = await addBlobs(jack, archive, snapshot.blobs)
    await addState(jack, archive, new Set(snapshot.projects))
    await addSecrets(jack, archive)
    await archive.add('checksums.json', JSON.stringify(archive.checksums))
    await archive.finish()
    return { projects: snapshot.projects.length, blobs: snapshot.blobs.length - lost.length, lost }
  } catch (error) {
    await archive.fail(error)
    throw error
  } finally {
    await snapshot.close()
  }
}

const describe = (jack: Jack, { migrations, tables }: Snapshot): Backup =>
  Backup.parse({
    format: 1,
    id: jack.sha256(jack.newId('req')).slice(0, 24),
    made_at: jack.now().toISOString(),
    migrations,
    tables,
    has_key: jack.config.encryptionKey === undefined,
    key_check: jack.env.keyCheck(),
    url: jack.urls.api,
  })

async function addTables(archive: Archive, snapshot: Snapshot): Promise<void> {
  for (const table of snapshot.tables) {
    let pieces = 0
    let waiting: Buffer[] = []
    let sizeBytes = 0
    const flush = async () => {
      await archive.add(`database/${table.name}.${pieces++}`, Buffer.concat(waiting))
      waiting = []
      sizeBytes = 0
    }
    for await (const chunk of snapshot.rows(table)) {
      waiting.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes >= pieceBytes) await flush()
    }
    if (sizeBytes > 0) await flush()
  }
}

async function addBlobs(jack: Jack, archive: Archive, blobs: string[]): Promise<string[]> {
  const lost: string[] = []
  for (const sha256 of blobs) {
    try {
      const sizeBytes = (await jack.blobs.keep(sha256)) ?? 0
      const content = await jack.blobs.stream(sha256)
      await archive.add(`blobs/${sha256}`, content, sizeBytes)
    } catch (error) {
      // One that the disk lost must not keep everything else from being saved.
      if ((error as { code?: string }).code !== 'internal') throw error
      lost.push(sha256)
    }
  }
  return lost
}

/** One project after the other: each stands still for no longer than its own files take to copy. */
async function addState(jack: Jack, archive: Archive, known: ReadonlySet<string>): Promise<void> {
  for (const projectId of await jack.engine.data.list()) {
    if (!known.has(projectId)) continue
    await archive.addFolder('state', (to) => jack.engine.data.copy(projectId, to))
  }
}

async function addSecrets(jack: Jack, archive: Archive): Promise<void> {
  for (const [name, secret] of await keptSecrets(jack.config.dataDir)) {
    await archive.add(`secrets/${name}`, `${secret}\n`)
  }
}
