import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import { writePrivately } from './writePrivately.ts'

/** What `jack.json` says to the command line. The rest of it is the bundler's business. */
interface JackJson {
  file: string
  name?: string
  url?: string
}

/** Which project a folder was deployed to, kept in `.jack/project.json`. */
export interface Link {
  project: string
  project_id: string
  url: string
}

/** The nearest folder from `from` upwards that says which project it is. */
export interface Place {
  jackJson?: JackJson
  link?: Link
}

export async function findPlace(from: string): Promise<Place> {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const place = await readPlace(folder)
    if (place.jackJson || place.link || folder === dirname(folder)) return place
  }
}

export async function readPlace(folder: string): Promise<Place> {
  const jackJson = await readJackJson(folder)
  const link = readLink(folder)
  return { ...(jackJson && { jackJson }), ...(link && { link }) }
}

async function readJackJson(folder: string): Promise<JackJson | undefined> {
  for (const name of ['jack.json', 'jack.jsonc']) {
    const file = join(folder, name)
    if (!existsSync(file)) continue
    const said = await parseJsonc(readFileSync(file, 'utf8'))
    if (typeof said !== 'object' || said === null) {
      throw new JackError('usage', `${file} is not a JSON object.`, {
        hint: 'It looks like {"name": "my-app"}.',
      })
    }
    const text = (key: string) => {
      const value = (said as Record<string, unknown>)[key]
      return typeof value === 'string' ? { [key]: value } : {}
    }
    return { file, ...text('name'), ...text('url') }
  }
  return undefined
}

/** Comments are rare, and so is the need for their parser. */
async function parseJsonc(text: string): Promise<unknown> {
  try {
    return JSON.parse(text)
  } catch {
    const { parse } = await import('jsonc-parser')
    return parse(text)
  }
}

function readLink(folder: string): Link | undefined {
  try {
    const link = JSON.parse(readFileSync(join(folder, '.jack', 'project.json'), 'utf8'))
    return typeof link.project === 'string' && typeof link.url === 'string' ? link : undefined
  } catch {
    return undefined
  }
}

/** Remembers what a folder was deployed to. Not for git: another clone may belong to another account. */
export function writeLink(folder: string, link: Link): void {
  const home = join(folder, '.jack')
  mkdirSync(home, { recursive: true })
  // A repository may bring symbolic links along that lead out of it: nothing is written through them.
  if (lstatSync(home).isSymbolicLink()) return
  try {
    writeFileSync(join(home, '.gitignore'), '*\n', { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  writePrivately(join(home, 'project.json'), `${JSON.stringify(link, null, 2)}\n`)
}

export interface ProjectName {
  name: string
  /** Somebody wrote it down for this project, so that an existing one of that name is meant. */
  explicit: boolean
  origin: string
}

/**
 * The name to deploy a folder under: what a flag, `jack.json` or the wrangler file says; what it was deployed to
 * before; else made of the package's or the folder's name. What wrangler allows and a host name does not, such as
 * `my_worker`, becomes a name that others may become as well, so that is not explicit.
 */
export function nameOf(
  folder: string,
  {
    flag,
    configured,
    link,
  }: { flag?: string | undefined; configured?: string | undefined; link?: string | undefined },
): ProjectName {
  if (flag !== undefined) return { name: flag, explicit: true, origin: '--name' }
  if (configured !== undefined) {
    const name = slugify(configured)
    const explicit = name === configured || name === link
    return { name, explicit, origin: "the project's configuration" }
  }
  if (link !== undefined) return { name: link, explicit: true, origin: '.jack/project.json' }
  const packaged = packageName(folder)
  if (packaged) return { name: slugify(packaged), explicit: false, origin: 'package.json' }
  return { name: slugify(basename(resolve(folder))), explicit: false, origin: "the folder's name" }
}

function packageName(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return typeof name === 'string' ? name.split('/').at(-1) : undefined
  } catch {
    return undefined
  }
}

/**
 * A project name made of any text.
 *
 * @example slugify('My Äpp_2') // 'my-app-2'
 */
export function slugify(text: string): string {
  const slug = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+/, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return slug || 'app'
}
