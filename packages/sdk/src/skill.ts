import { existsSync, readFileSync } from 'node:fs'

export interface Skill {
  /** Also the name of the folder that it is put into. */
  name: string
  description: string
  /** The whole file. */
  text: string
}

/**
 * What agents read about Jack: `skill/SKILL.md` of the repository, in the format of https://agentskills.io. The build puts
 * a copy beside this module.
 */
export function readSkill(): Skill {
  const built = new URL('SKILL.md', import.meta.url)
  const file = existsSync(built) ? built : new URL('../../../skill/SKILL.md', import.meta.url)
  const text = readFileSync(file, 'utf8')
  const [, head = ''] = /^---\n(.*?)\n---\n/s.exec(text) ?? []
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(head)?.[1] ?? ''
  return { name: field('name'), description: field('description'), text }
}
