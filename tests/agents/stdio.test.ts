import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, eventually, live, temporaryHome, text, type Up, up } from '../harness.ts'
import { type Agent, agent } from './stdio.ts'

// An agent that has nothing but the tools of `jack mcp`, and somebody's wallet, on a cloud that somebody else runs.
const cloudHome = temporaryHome('walk-cloud')
const home = temporaryHome('walk')
const { json } = commandLine(home)
let cloud: Up
let it: Agent

beforeAll(async () => {
  cloud = await up(cloudHome, join(cloudHome.path, 'cloud'))
  const env = { JACK_URL: cloud.ready.url }
  await json(['wallet', 'create', '--file', '--no-passphrase'], { env })
  await json(['wallet', 'fund'], { env })
  it = await agent(home, { env })
}, 120_000)

afterAll(async () => {
  await it?.client.close()
  await cloud?.stop()
  await home.remove()
  await cloudHome.remove()
}, 60_000)

test('from nothing to a live URL, a change, the logs, back, and gone', async () => {
  // Nothing is there, and nothing was paid.
  expect(await it.call('list_projects')).toMatchObject({ projects: [], isError: false })
  expect(await it.call('get_quote', { files: { 'index.js': app('one') } })).toMatchObject({
    operation: 'deploy',
    price_usd: '0.050000',
  })

  // Live.
  const first = await it.call('deploy_project', {
    name: 'shop',
    files: { 'index.js': app('one') },
    env: { GREETING: 'hello' },
    verify: [{ path: '/' }],
  })
  expect(first).toMatchObject({
    isError: false,
    created: true,
    charged_usd: '0.050000',
    left_usd: '4.950000',
    curl: `curl -sS '${first.url}'`,
  })
  expect(await text(first.url)).toBe('hello from one')

  // A change; the same again costs nothing.
  const second = await it.call('deploy_project', {
    name: 'shop',
    files: { 'index.js': app('two') },
  })
  expect(second).toMatchObject({ created: false, left_usd: '4.900000', url: first.url })
  expect(await text(first.url)).toBe('hello from two')
  expect(
    await it.call('deploy_project', { name: 'shop', files: { 'index.js': app('two') } }),
  ).toMatchObject({ deduplicated: true, charged_usd: '0.000000' })

  // It fails; the logs say why.
  expect((await live(`${first.url}/fail`)).status).toBeGreaterThanOrEqual(500)
  const logs = await eventually(async () => {
    const found = await it.call('get_logs', { project: 'shop' })
    expect(found.errors).toHaveLength(1)
    return found
  })
  expect(logs.errors[0].message).toContain('the shelf is empty')
  expect(logs.untrusted).toBe('message')

  // Back to the first, which get_project knows.
  const { deployments, env } = await it.call('get_project', { project: 'shop' })
  expect(env).toEqual(['GREETING'])
  expect(deployments).toHaveLength(2)
  expect(await it.call('rollback_project', { project: 'shop' })).toMatchObject({
    deployment_id: first.deployment_id,
    previous_deployment_id: second.deployment_id,
  })
  expect(await text(first.url)).toBe('hello from one')
  await it.call('update_env_vars', { project: 'shop', env: { GREETING: 'goodbye' } })
  expect(await text(first.url)).toBe('goodbye from one')

  // Gone, when its name and id are both said.
  const { project_id } = await it.call('get_project', { project: 'shop' })
  expect(
    await it.call('delete_project', { project: 'shop', project_id: 'prj_00000000000000000000' }),
  ).toMatchObject({ isError: true, code: 'conflict' })
  expect(await it.call('delete_project', { project: 'shop', project_id })).toMatchObject({
    deleted: true,
  })
  expect(await it.call('list_projects')).toMatchObject({ projects: [] })
  expect(await it.call('get_balance')).toMatchObject({
    sessions: [{ deposit_usd: '5.000000', spent_usd: '0.100000', left_usd: '4.900000' }],
  })
}, 120_000)

test('a folder goes live as it is, and what is secret or ignored stays at home', async () => {
  const folder = join(home.path, 'work', 'site')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'index.html'), '<h1>a site</h1>')
  writeFileSync(join(folder, '.env'), 'KEY=secret')
  writeFileSync(join(folder, 'notes.txt'), 'not for others')
  writeFileSync(join(folder, '.gitignore'), 'notes.txt\n')
  expect(await it.call('get_quote', { path: 'work/site' })).toMatchObject({
    operation: 'deploy',
    price_usd: '0.050000',
  })
  expect(await it.call('deploy_project', { path: 'work/site', files: {} })).toMatchObject({
    isError: true,
    code: 'invalid_request',
  })
  const progress: string[] = []
  const result = await it.client.callTool(
    { name: 'deploy_project', arguments: { path: 'work/site', verify: [{ path: '/' }] } },
    undefined,
    { onprogress: ({ message }) => progress.push(message ?? '') },
  )
  const { url, name } = result.structuredContent as Record<string, string>
  expect(name).toBe('site')
  expect(await text(url as string)).toBe('<h1>a site</h1>')
  for (const path of ['/.env', '/notes.txt'])
    expect(await text(`${url}${path}`)).not.toMatch(/secret|not for others/)
  expect(progress).toEqual(['Bundling', 'Uploading site, starting it and checking its answers'])
  // The folder remembers which project it is.
  expect(await it.call('deploy_project', { path: folder })).toMatchObject({
    deduplicated: true,
    name: 'site',
  })
}, 60_000)

test('a program that is sent in pieces is deployed from the stage', async () => {
  await it.call('stage_file', {
    project: 'pieces',
    path: 'index.js',
    content: app('a ').slice(0, 30),
  })
  await it.call('stage_file', {
    project: 'pieces',
    path: 'index.js',
    content: app('a ').slice(30),
    append: true,
  })
  expect(await it.call('list_staged_files', { project: 'pieces' })).toMatchObject({
    count: 1,
    files: [{ path: 'index.js' }],
  })
  const { url } = await it.call('deploy_project', { name: 'pieces', staged: true })
  expect(await text(url)).toContain('from a ')
}, 60_000)

const app = (version: string) => `export default {
  fetch(request, env) {
    if (request.url.endsWith('/fail')) throw new Error('the shelf is empty')
    return new Response(env.GREETING + ' from ${version}')
  },
}`
