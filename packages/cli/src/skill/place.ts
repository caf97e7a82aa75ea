import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import { readSkill } from '@jackcloud/sdk/skill'

/** Where the skill goes, and for whom. */
export interface Place {
  /** Of a client, or null for a folder that was named. */
  client: string | null
  /** The folder of skills. */
  skills: string
}

/** What was done with the skill's file in a place, or would be. */
export interface Done {
  client: string | null
  file: string
  change: 'created' | 'updated' | 'removed' | 'none'
}

interface Options {
  dryRun: boolean
  /** Also where somebody has changed the file. */
  force: boolean
}

/** Puts the skill into places. Throws `conflict`, and has done nothing, when somebody changed it in one of them. */
export function install(places: Place[], options: Options): Done[] {
  const { text } = readSkill()
  return inEach(places, options, ({ file, record, state }) => {
    if (state === 'same') return 'none'
    if (!options.dryRun) {
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, text)
      writeFileSync(record, digestOf(text))
    }
    return state === 'absent' ? 'created' : 'updated'
  })
}

/** Takes it out again, with its folder unless something else is in it. Throws as `install` does. */
export function uninstall(places: Place[], options: Options): Done[] {
  return inEach(places, options, ({ folder, file, record, state }) => {
    if (state === 'absent') return 'none'
    if (!options.dryRun) {
      rmSync(file)
      rmSync(record, { force: true })
      removeEmpty(folder)
    }
    return 'removed'
  })
}

interface Found {
  client: string | null
  folder: string
  file: string
  /** Keeps the digest of what we wrote, to tell an older version of ours from what somebody changed. */
  record: string
  state: 'absent' | 'same' | 'older' | 'changed'
}

function inEach(
  places: Place[],
  { force }: Options,
  act: (found: Found) => Done['change'],
): Done[] {
  const found = places.map(look)
  const changed = found.filter((it) => it.state === 'changed')
  if (changed.length > 0 && !force) {
    const files = changed.map((it) => it.file).join(', ')
    throw new JackError('conflict', `Somebody has changed ${files}.`, {
      hint: 'Nothing was done. Keep your changes elsewhere, then use --force.',
    })
  }
  return found.map((it) => ({ client: it.client, file: it.file, change: act(it) }))
}

function look({ client, skills }: Place): Found {
  const { name, text } = readSkill()
  const folder = join(skills, name)
  const file = join(folder, 'SKILL.md')
  const record = join(folder, '.sha256')
  return { client, folder, file, record, state: stateOf(file, record, text) }
}

function stateOf(file: string, record: string, text: string): Found['state'] {
  if (!existsSync(file)) return 'absent'
  const there = readFileSync(file, 'utf8')
  if (there === text) return 'same'
  const isOurs = existsSync(record) && readFileSync(record, 'utf8') === digestOf(there)
  return isOurs ? 'older' : 'changed'
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
  }
}
