import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { JackError } from '@jackcloud/sdk'
import { extract } from 'tar-stream'

export interface Unpacked {
  made_at: string
  files: number
}

/** Names that a backup has, and no other: nothing leads out of the folder. */
const known =
  /^(backup\.json|checksums\.json|database\/[a-z_0-9]+\.\d+|blobs\/[0-9a-f]{64}|secrets\/(encryption\.key|receipt\.key|token|wallet\.key)|state(\/(?!\.{1,2}(\/|$))[^/\0]+)+)$/

/**
 * Unpacks a backup into `<data>/restore`, from where the next start of the cloud loads it, and compares every file with
 * its checksum. Undefined when the folder has something in it. Nothing stays of a backup that is not whole.
 */
export async function unpackBackup(file: string, data: string): Promise<Unpacked | undefined> {
  const isNew = !existsSync(data)
  if (!isNew && (await readdir(data)).length > 0) return undefined
  // Under root, the database runs as another user, who must pass through but sees nothing.
  await mkdir(data, { recursive: true, mode: 0o700 })
  await chmod(data, process.getuid?.() === 0 ? 0o711 : 0o700)
  const draft = join(data, 'restore.draft')
  try {
    const sums = await unpack(file, draft)
    const files = await compare(sums, draft)
    const backup = JSON.parse(await readFile(join(draft, 'backup.json'), 'utf8'))
    await rename(draft, join(data, 'restore'))
    return { made_at: String(backup.made_at), files }
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (isNew) await rmdir(data).catch(() => {})
    throw error
  }
}

/** The checksums of what was unpacked, by name. */
async function unpack(file: string, to: string): Promise<Map<string, string>> {
  const sums = new Map<string, string>()
  const archive = extract()
  const reading = pipeline(createReadStream(file), createGunzip(), archive).catch((error) => {
    if (error.code === 'ENOENT' || error.code === 'EACCES') throw error
    throw damaged('It cannot be read to its end.', error)
  })
  const writing = (async () => {
    for await (const entry of archive) {
      const { name, type } = entry.header
      if (type === 'directory' && known.test(name.replace(/\/$/, ''))) {
        await mkdir(join(to, name), { recursive: true, mode: 0o700 })
        continue
      }
      if (type !== 'file' || !known.test(name) || sums.has(name))
        throw damaged(`It has ${JSON.stringify(name.slice(0, 200))} in it.`)
      const path = join(to, name)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      sums.set(name, await write(Readable.from(entry), path))
    }
  })()
  // Of the two, the one that knows what is wrong.
  const [read, wrote] = await Promise.allSettled([reading, writing])
  if (wrote.status === 'rejected' && wrote.reason instanceof JackError) throw wrote.reason
  if (read.status === 'rejected') throw read.reason
  if (wrote.status === 'rejected') throw wrote.reason
  return sums
}

async function write(entry: Readable, path: string): Promise<string> {
  const hash = createHash('sha256')
  const counted = new PassThrough()
  counted.on('data', (chunk) => hash.update(chunk))
  await pipeline(entry, counted, createWriteStream(path, { mode: 0o600, flags: 'wx', flush: true }))
  return hash.digest('hex')
}

async function compare(sums: Map<string, string>, folder: string): Promise<number> {
  const text = await readFile(join(folder, 'checksums.json'), 'utf8').catch(() => undefined)
  if (text === undefined) throw damaged('Its end is missing.')
  const said = Object.entries(JSON.parse(text) as Record<string, string>)
  sums.delete('checksums.json')
  const wrong = said.find(([name, sum]) => sums.get(name) !== sum)
  if (wrong) throw damaged(`${wrong[0]} is not what was saved.`)
  if (said.length !== sums.size) throw damaged('It has files that were not saved.')
  return said.length
}

const damaged = (how: string, cause?: unknown) =>
  new JackError('invalid_request', `The backup is damaged, or is none. ${how}`, {
    hint: 'Nothing of it was kept. Take another one.',
    cause,
  })
