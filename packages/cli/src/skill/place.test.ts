import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readSkill } from '@jackcloud/sdk/skill'
import { afterAll, beforeEach, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../bin.ts', import.meta.url))
const { text } = readSkill()
let home: string
const homes: string[] = []
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'jack-skill-'))
  homes.push(home)
})
afterAll(() => {
  for (const it of homes) rmSync(it, { recursive: true })
})

/** The command as somebody types it in `home`, and what it printed. */
function jack(...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: home }
  const node = [`--conditions=jack:src`, bin, 'skill', ...args, '--json']
  try {
    return JSON.parse(
      execFileSync(process.execPath, node, { cwd: home, env, stdio: 'pipe' }).toString(),
    )
  } catch (error) {
    return JSON.parse((error as { stdout: Buffer }).stdout.toString())
  }
}

const at = (...path: string[]) => join(home, ...path, 'jack/SKILL.md')
const read = (file: string) => readFileSync(file, 'utf8')

test('the skill goes where the agents of this machine look, and is taken out again', () => {
  for (const it of ['.claude', '.codex', '.config/goose'])
    mkdirSync(join(home, it), { recursive: true })
  const files = [at('.claude/skills'), at('.codex/skills'), at('.config/goose/skills')]
  expect(jack('install', '--dry-run').places.map((it: { file: string }) => it.file)).toEqual(files)
  expect(files.map(existsSync)).toEqual([false, false, false])
  expect(jack('install').places).toMatchObject(files.map((file) => ({ file, change: 'created' })))
  expect(files.map(read)).toEqual([text, text, text])
  expect(jack('install').places).toMatchObject(files.map(() => ({ change: 'none' })))

  writeFileSync(join(home, '.codex/skills/jack/notes.md'), 'mine')
  expect(jack('uninstall', '--dry-run').places[0].change).toBe('removed')
  expect(jack('uninstall').places).toMatchObject(files.map((file) => ({ file, change: 'removed' })))
  expect(existsSync(join(home, '.claude/skills/jack'))).toBe(false)
  expect(read(join(home, '.codex/skills/jack/notes.md'))).toBe('mine')
})

test('where there is no agent yet, it goes into the folder that many share', () => {
  expect(jack('install').places).toEqual([
    { client: 'agents', file: at('.agents/skills'), change: 'created' },
  ])
})

test('a project has it where its agents look, each folder once', () => {
  for (const it of ['.claude', '.codex', '.cursor']) mkdirSync(join(home, it))
  const { places } = jack('install', '--project')
  expect(places.map((it: { file: string }) => it.file)).toEqual([
    at('.claude/skills'),
    at('.agents/skills'),
  ])
  expect(jack('install', 'windsurf', '--project').places[0].file).toBe(at('.windsurf/skills'))
  expect(jack('install', '--dir', 'elsewhere').places).toEqual([
    { client: null, file: at('elsewhere'), change: 'created' },
  ])
  expect(jack('install', 'notepad')).toMatchObject({ error: { code: 'usage' } })
})

test('what somebody changed stays, unless forced; an older one of ours is replaced', () => {
  const file = at('.claude/skills')
  jack('install', 'claude-code')
  writeFileSync(file, `${text}\nMy own words.\n`)
  mkdirSync(join(home, '.codex'))
  for (const command of ['install', 'uninstall'])
    expect(jack(command)).toMatchObject({ error: { code: 'conflict' } })
  expect(read(file)).toContain('My own words.')
  expect(existsSync(at('.codex/skills'))).toBe(false)
  expect(jack('install', '--force').places[0].change).toBe('updated')
  expect(read(file)).toBe(text)

  const older = 'an older version'
  writeFileSync(file, older)
  const record = join(file, '../.sha256')
  writeFileSync(record, createHash('sha256').update(older).digest('hex'))
  expect(jack('install', 'claude-code').places[0].change).toBe('updated')
  expect(read(file)).toBe(text)
})
