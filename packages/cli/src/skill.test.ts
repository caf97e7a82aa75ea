import { readFileSync } from 'node:fs'
import { readSkill } from '@jackcloud/sdk/skill'
import { errorCodes } from '@jackcloud/sdk/wire'
import { expect, test } from 'vitest'
import { createProgram } from './program.ts'

const { name, description, text } = readSkill()
const [, head = '', body = ''] = /^---\n(.*?)\n---\n(.*)$/s.exec(text) ?? []

test('the skill keeps to the limits of its format', () => {
  expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
  expect(name.length).toBeLessThanOrEqual(64)
  expect(description.length).toBeGreaterThan(200)
  expect(description.length).toBeLessThanOrEqual(1_024)
  expect(description).toMatch(/\bUse when\b/)
  for (const line of head.split('\n')) {
    // So plain that every reader of YAML reads the same.
    expect(line).toMatch(/^(name|description|license|compatibility): [^:#'"[\]{}&*!|>%@`]+$/)
    if (line.startsWith('compatibility')) expect(line.length).toBeLessThanOrEqual(515)
  }
  expect(body.split('\n').length).toBeLessThan(500)
  // A token has three characters or more, in English and in commands.
  expect(body.length / 3).toBeLessThan(5_000)
})

test('every command and option that the skill names is there', async () => {
  const program = await createProgram(() => true, {})
  const code = [...body.matchAll(/```sh\n(.*?)```|`([^`\n]+)`/gs)].map(([, a, b]) => a ?? b ?? '')
  const named = code.flatMap((it) => [...it.matchAll(/(?<![\w@/])jack ([^|)#;`\n]*)/g)])
  expect(named.length).toBeGreaterThan(30)
  for (const [line, rest = ''] of named) {
    const words = rest
      .replace(/"[^"]*"|'[^']*'/g, 'quoted')
      .trim()
      .split(/\s+/)
    let command = program
    for (const word of words) {
      const inner = command.commands.find((it) => it.name() === word)
      if (!inner) break
      command = inner
    }
    if (!words[0]?.startsWith('-')) expect(command, line).not.toBe(program)
    const options = [...command.options, ...program.options].flatMap((it) => [it.long, it.short])
    for (const flag of words.filter((it) => /^--?[a-z]/.test(it)))
      expect([...options, '--help'], line).toContain(flag)
  }
})

test('the skill says what to do about each error, and of each the reference says it too', () => {
  const reference = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const client = [...reference.matchAll(/^\| `(\w+)` \| [^\d|]/gm)].map(([, code]) => code)
  expect(client).toHaveLength(5)
  const rows = [...body.matchAll(/^\| (`.*?) \| /gm)].map(([, codes]) => codes as string)
  const told = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, code]) => code))
  expect(told.toSorted()).toEqual([...Object.keys(errorCodes), ...client].toSorted())
})
