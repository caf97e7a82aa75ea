import { readFileSync } from 'node:fs'
import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { CachedPackage } from './cache.ts'
import type { Contents, Manifest } from './packageExports.ts'

/** A package in the cache, ready to be read; kept in memory because it never changes. */
export interface Unpacked {
  contents: Contents
  sizeBytes: number
  /** Undefined when the file is not there, or is anything but a plain file of the package. */
  read(file: string): Promise<Uint8Array | undefined>
}

const maxMemoryBytes = 64_000_000

/** Files of packages by their path in the cache, the one used longest ago first. */
const memory = new Map<string, Uint8Array>()
let memoryBytes = 0

export async function openUnpacked({ folder, files, sizeBytes }: CachedPackage): Promise<Unpacked> {
  const real = await realpath(folder)
  return {
    contents: contentsOf(real, files),
    sizeBytes,
    read: async (file) => {
      const path = join(real, file)
      const known = memory.get(path)
      if (known) {
        memory.delete(path)
        memory.set(path, known)
        return known
      }
      if (!files.has(file) || !path.startsWith(real + sep)) return undefined
      const actual = await realpath(path).catch(() => undefined)
      if (actual !== path) return undefined
      const bytes = await readFile(path)
      remember(path, bytes)
      return bytes
    },
  }
}

function remember(path: string, bytes: Uint8Array): void {
  if (bytes.byteLength > maxMemoryBytes / 8 || memory.has(path)) return
  memory.set(path, bytes)
  memoryBytes += bytes.byteLength
  for (const [oldest, { byteLength }] of memory) {
    if (memoryBytes <= maxMemoryBytes) return
    memory.delete(oldest)
    memoryBytes -= byteLength
  }
}

function contentsOf(folder: string, files: ReadonlySet<string>): Contents {
  const folders = new Set<string>()
  for (const file of files) {
    for (let slash = file.indexOf('/'); slash > 0; slash = file.indexOf('/', slash + 1)) {
      folders.add(file.slice(0, slash))
    }
  }
  const manifests = new Map<string, Manifest | undefined>()
  const manifestIn = (inside: string): Manifest | undefined => {
    const file = inside === '' ? 'package.json' : `${inside}/package.json`
    if (!manifests.has(inside)) {
      manifests.set(inside, files.has(file) ? parseManifest(join(folder, file)) : undefined)
    }
    return manifests.get(inside)
  }
  return {
    manifest: manifestIn('') ?? {},
    has: (path) => files.has(path),
    hasFolder: (path) => folders.has(path),
    nested: manifestIn,
  }
}

function parseManifest(file: string): Manifest | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8').replace(/^\ufeff/, ''))
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
