import { expect, test } from 'vitest'
import { toolsets } from './Tool.ts'
import { offered, tools } from './tools.ts'

const listed = (folders: object | undefined) =>
  [...offered(toolsets, { folders: folders as never }).values()].map(({ listing }) => listing)

test('the tools of the contract are there, in one order', () => {
  expect(tools.map(({ name }) => name)).toEqual([
    'add_balance',
    'delete_project',
    'deploy_project',
    'execute_code',
    'get_balance',
    'get_logs',
    'get_project',
    'get_quote',
    'list_projects',
    'list_staged_files',
    'rollback_project',
    'stage_file',
    'update_env_vars',
    'whoami',
  ])
})

test('the whole list costs an agent less than 6,000 tokens', () => {
  // JSON schemas take about four bytes a token with the tokenizers of the big models; this errs on the safe side.
  const tokens = Buffer.byteLength(JSON.stringify({ tools: listed({}) })) / 3.5
  expect(tokens).toBeGreaterThan(3_000)
  expect(tokens).toBeLessThan(6_000)
})

test('every tool says all there is to say about it', () => {
  for (const it of listed({})) {
    expect(it.name).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(Object.keys(it.annotations)).toHaveLength(4)
    for (const hint of Object.values(it.annotations)) expect(hint).toBeTypeOf('boolean')
    expect(it.inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(it.outputSchema.type).toBe('object')
    expect(it.title).not.toBe('')
    expect(it.description).toMatch(/Not: .*(Free\.|Costs )/)
  }
})
