import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { BundleError } from './BundleError.ts'
import { byteLength, decode, type FileMap } from './Files.ts'
import { Ignoring, ignoreFiles, isAlwaysIgnored } from './ignoring.ts'

/** Where a program's files come from: a set in memory or a folder on disk. */
export interface Source {
  /** Absolute real path of the folder; undefined for a set of files. */
  root: string | undefined
  has(path: string): Promise<boolean>
  /** Whether there is any file under this folder. */
  hasFolder(path: string): Promise<boolean>
  /** Undefined when there is no such file. Throws `invalid_request` when it is not UTF-8. */
  text(path: string): Promise<string | undefined>
  /** Files under a folder ('' is the top), sorted by path. Throws when there are over `limit`. */
  walk(folder: string, options: { ignoring: boolean; limit: number }): Promise<FoundFile[]>
}

export interface FoundFile {
  /** Relative to the source, with `/`. */
  path: string
  sizeBytes: number
  bytes(): Promise<Uint8Array>
}

/** Files larger than this are no configuration and no page that has to be looked into. */
const maxTextBytes = 20_000_000

export function setSource(files: FileMap): Source {
  const hasFolder = (path: string) => [...files.keys()].some((file) => file.startsWith(`${path}/`))
  return {
    root: undefined,
    has: async (path) => files.has(path),
    hasFolder: async (path) => hasFolder(path),
    text: async (path) => {
      const content = files.get(path)
      return content === undefined ? undefined : textOf(path, content)
    },
    walk: async (folder, { ignoring, limit }) => {
      const rules = new Ignoring()
      if (ignoring) {
        for (const [path, content] of files) {
          const slash = path.lastIndexOf('/')
          const name = path.slice(slash + 1)
          if (ignoreFiles.includes(name))
            rules.add(path.slice(0, Math.max(slash, 0)), textOf(path, content))
        }
      }
      const prefix = folder === '' ? '' : `${folder}/`
      const found: FoundFile[] = []
      for (const [path, content] of files) {
        if (!path.startsWith(prefix) || isAlwaysIgnored(path.slice(prefix.length))) continue
        if (ignoring && rules.ignores(path)) continue
        found.push({
          path,
          sizeBytes: byteLength(content),
          bytes: async () => (typeof content === 'string' ? Buffer.from(content) : content),
        })
        if (found.length > limit) throw tooManyFiles(folder, limit)
      }
      return found.sort(byPath)
    },
  }
}

/** Opens a folder; throws `missing_files` when there is none. */
export async function folderSource(folder: string): Promise<Source & { root: string }> {
  const root = await realpath(folder).catch(() => {
    throw new BundleError('missing_files', `There is no folder ${folder}.`)
  })
  if (!(await stat(root)).isDirectory()) {
    throw new BundleError(
      'missing_files',
      `${folder} is not a folder.`,
      'Name the folder of the program.',
    )
  }
  return {
    root,
    has: async (path) => (await stat(join(root, path)).catch(() => undefined))?.isFile() ?? false,
    hasFolder: async (path) =>
      (await stat(join(root, path)).catch(() => undefined))?.isDirectory() ?? false,
    text: async (path) => {
      const file = join(root, path)
      const found = await stat(file).catch(() => undefined)
      if (!found?.isFile()) return undefined
      await refuseOutside(root, file, path)
      if (found.size > maxTextBytes)
        throw new BundleError('code_too_large', `${path} is ${found.size} bytes.`)
      return textOf(path, await readFile(file))
    },
    walk: (start, options) => walkFolder(root, start, options),
  }
}

async function walkFolder(
  root: string,
  start: string,
  { ignoring, limit }: { ignoring: boolean; limit: number },
): Promise<FoundFile[]> {
  const rules = new Ignoring()
  const found: FoundFile[] = []
  if (start !== '') await refuseOutside(root, join(root, start), start)
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true })
    if (ignoring) {
      for (const name of ignoreFiles) {
        if (!entries.some((entry) => entry.name === name && entry.isFile())) continue
        rules.add(folder, textOf(name, await readFile(join(root, folder, name))))
      }
    }
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (isAlwaysIgnored(entry.name)) continue
      if (ignoring && rules.ignores(entry.isDirectory() ? `${path}/` : path)) continue
      if (entry.isDirectory()) {
        await visit(path)
        continue
      }
      const file = join(root, path)
      if (entry.isSymbolicLink()) await refuseOutside(root, file, path)
      const size = await stat(file).catch(() => undefined)
      if (!size?.isFile()) continue
      found.push({ path, sizeBytes: size.size, bytes: () => readFile(file) })
      if (found.length > limit) throw tooManyFiles(start, limit)
    }
  }
  await visit(start)
  return found.sort(byPath)
}

async function refuseOutside(root: string, file: string, path: string): Promise<void> {
  const real = await realpath(file).catch(() => file)
  if (isInside(root, real)) return
  const link = (await lstat(file).catch(() => undefined))?.isSymbolicLink() ?? false
  throw new BundleError(
    'invalid_request',
    `${path} ${link ? 'is a link that points' : 'leads'} out of the folder.`,
    'Copy the file into the folder, or leave the link out with .jackignore.',
  )
}

/** Whether `path` is `folder` or lies in it; both absolute. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !/^[a-z]:|^[/\\]/i.test(way))
}

function textOf(path: string, content: string | Uint8Array): string {
  const text = decode(content)
  if (text === undefined) {
    throw new BundleError('invalid_request', `${path} is not UTF-8 text.`, 'Save it as UTF-8.')
  }
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

function tooManyFiles(folder: string, limit: number): BundleError {
  return new BundleError(
    'code_too_large',
    `There are more than ${limit} files in ${folder === '' ? 'the folder' : folder}.`,
    'Leave files out with .jackignore.',
  )
}

function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}
