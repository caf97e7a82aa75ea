import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createJack, deployFolder, localFetch } from '@jackcloud/sdk/node'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'

// The real command line against a real cloud that it starts itself, in a home of its own.
const bin = fileURLToPath(new URL('../../packages/cli/src/bin.ts', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'jack-e2e-'))
const data = join(home, 'cloud')
const env = {
  PATH: process.env.PATH,
  // How this machine reaches the npm registry.
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_|https?_proxy$|NODE_EXTRA_CA)/i.test(name),
    ),
  ),
  HOME: home,
  XDG_CONFIG_HOME: join(home, 'config'),
  XDG_DATA_HOME: join(home, 'data'),
}
const node = ['--conditions=jack:src', bin]

const jack = (
  cwd: string,
  args: string[],
  options: { env?: Record<string, string>; input?: string } = {},
) =>
  execa(process.execPath, [...node, ...args], {
    cwd,
    env: { ...env, ...options.env },
    extendEnv: false,
    reject: false,
    input: options.input ?? '',
  })

/** The JSON object that a command printed, and nothing else. */
const json = async (cwd: string, args: string[], more: Parameters<typeof jack>[2] = {}) => {
  const { stdout, exitCode } = await jack(cwd, [...args, '--json'], more)
  return { exitCode, ...JSON.parse(stdout) }
}

const text = async (url: string) => (await localFetch(url, {})).text()
const folder = (name: string, files: Record<string, string>) => {
  const path = join(home, 'work', name)
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(path, file, '..'), { recursive: true })
    writeFileSync(join(path, file), content)
  }
  return path
}
const worker = (says: string) =>
  `export default { fetch() { console.log('asked'); return new Response('${says}') } }\n`

let up: ChildProcess
let ready: {
  url: string
  domain: string
  token: string
  data: string
  sandbox: string
  pid: number
}

beforeAll(async () => {
  up = spawn(process.execPath, [...node, 'up', '--port', '0', '--data', data, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: up.stdout as NodeJS.ReadableStream }), 'line')
  ready = JSON.parse(line)
  mkdirSync(join(home, 'work'), { recursive: true })
}, 120_000)

afterAll(async () => {
  if (up.exitCode === null) {
    up.kill('SIGTERM')
    await once(up, 'exit')
  }
  await rm(home, { recursive: true, force: true })
}, 60_000)

test('a cloud that is up says where it is, and signs its user in', async () => {
  expect(ready).toEqual({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    domain: `localhost:${new URL(ready.url).port}`,
    token: expect.stringMatching(/^jkt_/),
    data,
    sandbox: expect.any(String),
    wallet: { address: expect.stringMatching(/^0x[0-9a-f]{40}$/) },
    chain: {
      id: 1337,
      rpc_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      token: '0x20c0000000000000000000000000000000000000',
    },
    pid: expect.any(Number),
  })
  expect(statSync(join(home, 'config/jack/config.json')).mode & 0o777).toBe(0o600)
  expect(await json(home, ['whoami'])).toMatchObject({
    exitCode: 0,
    kind: 'local',
    token: { scopes: expect.any(Array) },
  })
  const doctor = await json(home, ['doctor'])
  expect(doctor.checks.filter((it: { status: string }) => it.status === 'fail')).toEqual([])
})

test('a second start with the same data finds the first; another port is a conflict', async () => {
  expect(await json(home, ['up', '--data', data])).toEqual({ exitCode: 0, ...ready })
  expect(await json(home, ['up', '--data', data, '--port', '1'])).toMatchObject({
    exitCode: 5,
    error: { code: 'conflict' },
  })
  const { port } = new URL(ready.url)
  const other = await json(home, ['up', '--data', join(home, 'other'), '--port', port])
  expect(other).toMatchObject({ exitCode: 5, error: { code: 'conflict' } })
})

test('a second cloud has the command line as long as it runs', async () => {
  const other = spawn(
    process.execPath,
    [...node, 'up', '--port', '0', '--data', join(home, 'other'), '--json'],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = await once(
    createInterface({ input: other.stdout as NodeJS.ReadableStream }),
    'line',
  )
  expect((await json(home, ['config'])).url.value).toBe(JSON.parse(line).url)
  other.kill('SIGTERM')
  await once(other, 'exit')
  expect((await json(home, ['config'])).url.value).toBe(ready.url)
  expect((await json(home, ['whoami'])).exitCode).toBe(0)
})

test('a program runs, and its result is the only thing on stdout', async () => {
  const cwd = folder('run', {
    'sum.ts':
      "export const run = ({ a }: { a: number }) => { console.log('adding'); return { sum: a + 1 } }\n",
    'throws.ts':
      "export const run = () => { console.log('before'); throw new TypeError('too deep') }\n",
    'wait.ts': 'export const run = () => new Promise((done) => setTimeout(done, 60_000))\n',
  })
  const sum = await jack(cwd, ['run', 'sum.ts', '--input', '{"a":1}'])
  expect([sum.exitCode, JSON.parse(sum.stdout)]).toEqual([0, { sum: 2 }])
  expect(sum.stderr).toContain('adding')
  expect(sum.stderr).toContain('$0.01 charged')
  const answer = await json(cwd, ['run', '-', '--input', '2'], {
    input: "export default (n) => 'got ' + n",
  })
  expect(answer).toMatchObject({
    exitCode: 0,
    result: 'got 2',
    execution_id: expect.stringMatching(/^exe_/),
  })
  const throws = await jack(cwd, ['run', 'throws.ts'])
  expect([throws.exitCode, throws.stdout]).toEqual([8, ''])
  expect(throws.stderr).toMatch(/before[\s\S]*TypeError: too deep/)
  expect(await json(cwd, ['run', 'wait.ts', '--timeout', '200ms'])).toMatchObject({
    exitCode: 9,
    error: { code: 'wall_limit_exceeded' },
  })
})

test('a project is changed, inspected, rolled back and deleted', async () => {
  const cwd = folder('life', { 'jack.json': '{"name": "life"}', 'index.ts': worker('one') })
  const first = await json(cwd, ['deploy', '--budget', '1', '--ttl', '2h', '--verify', '/=200'])
  expect(first).toMatchObject({ exitCode: 0, ttl_hours: 2 })
  folder('life', { 'index.ts': worker('two') })
  const second = await jack(cwd, ['deploy'])
  expect([second.exitCode, second.stdout]).toEqual([0, first.url])
  expect(await text(first.url)).toBe('two')

  expect(await json(cwd, ['rollback'])).toMatchObject({ deployment_id: first.deployment_id })
  expect(await text(first.url)).toBe('one')
  const { deployments } = await json(cwd, ['deployments'])
  expect(deployments).toHaveLength(2)
  await json(cwd, ['promote', deployments[0].deployment_id])
  expect(await text(first.url)).toBe('two')

  expect(await json(cwd, ['info'])).toMatchObject({
    name: 'life',
    status: 'active',
    budget_usd: '1.000000',
  })
  expect(await json(cwd, ['usage'])).toMatchObject({
    exitCode: 0,
    total: { requests: expect.any(Number) },
  })
  expect((await json(cwd, ['ls'])).projects.map((it: { name: string }) => it.name)).toContain(
    'life',
  )
  expect((await jack(cwd, ['open'])).stdout).toBe(first.url)
  expect((await json(cwd, ['receipts'])).receipts[0]).toMatchObject({
    reason: 'deploy',
    amount_usd: '-0.050000',
  })

  expect((await jack(cwd, ['rm'])).exitCode).toBe(2)
  expect(await json(cwd, ['rm', '--yes'])).toMatchObject({ exitCode: 0, deleted: true })
  expect(await json(cwd, ['info'])).toMatchObject({ exitCode: 4, error: { code: 'not_found' } })
})

test('logs are read with filters and followed line by line', async () => {
  const cwd = folder('logs', { 'jack.json': '{"name": "logs"}', 'index.ts': worker('x') })
  const { url } = await json(cwd, ['deploy'])
  await text(url)
  const lines = (stdout: string) =>
    stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).message)
  await expect
    .poll(async () => lines((await jack(cwd, ['logs', '--json', '--query', 'ask'])).stdout))
    .toContain('asked')
  expect((await jack(cwd, ['logs', '--json', '--level', 'error'])).stdout).toBe('')

  const following = spawn(process.execPath, [...node, 'logs', '-f', '--json'], { cwd, env })
  const messages: string[] = []
  for await (const line of createInterface({ input: following.stdout })) {
    messages.push(JSON.parse(line).message)
    if (messages.length === 1) await text(url)
    if (messages.length === 2) break
  }
  expect(messages).toEqual(['asked', 'asked'])
  following.kill('SIGINT')
  expect(await once(following, 'exit')).toEqual([130, null])
})

test('variables come from arguments, files and stdin, and their values are never shown', async () => {
  const cwd = folder('env', {
    'jack.json': '{"name": "env"}',
    'index.ts': 'export default { fetch: (_: Request, env: object) => Response.json(env) }\n',
    '.env.deploy': 'FILE="from file"\n',
  })
  const { url } = await json(cwd, ['deploy', '--env', 'FLAG=a=b', '--env-file', '.env.deploy'])
  await json(cwd, ['env', 'set', 'SECRET'], { input: 'hush\n' })
  await json(cwd, ['env', 'import', '-'], { input: 'MANY=1\nGONE=2\n' })
  const { env: names } = await json(cwd, ['env', 'rm', 'GONE'])
  expect(names.map((it: { name: string }) => it.name).sort()).toEqual([
    'FILE',
    'FLAG',
    'MANY',
    'SECRET',
  ])
  expect((await jack(cwd, ['env', 'ls'])).stdout).not.toContain('hush')
  await expect
    .poll(() => text(url).then(JSON.parse))
    .toMatchObject({ FILE: 'from file', FLAG: 'a=b', MANY: '1', SECRET: 'hush' })
})

test('a name that was made from a folder does not hit a project that is there already', async () => {
  const cwd = folder('a/guessed', { 'index.ts': worker('mine') })
  expect(await json(cwd, ['deploy'])).toMatchObject({ exitCode: 0, name: 'guessed' })
  const other = folder('b/guessed', { 'index.ts': worker('other') })
  const refused = await json(other, ['deploy'])
  expect(refused).toMatchObject({
    exitCode: 5,
    error: { code: 'name_taken', next: [{ command: 'jack deploy --name guessed' }, {}] },
  })
  expect(await json(cwd, ['deploy'])).toMatchObject({ exitCode: 0, deduplicated: true })

  const { token } = await json(cwd, ['token', 'create', 'ci', '--project', 'guessed'])
  expect(await json(other, ['deploy'], { env: { CI: 'true', JACK_TOKEN: token } })).toMatchObject({
    exitCode: 0,
    created: false,
  })
})

test('a token may do what it was made for, until it is revoked', async () => {
  const cwd = folder('tokens', { 'p.ts': 'export const run = () => 1\n' })
  const { token, token_id } = await json(cwd, [
    'token',
    'create',
    'reader',
    '--scope',
    'read',
    '--expires',
    '1h',
  ])
  const as = { env: { JACK_TOKEN: token } }
  expect(await json(cwd, ['ls'], as)).toMatchObject({ exitCode: 0 })
  expect(await json(cwd, ['run', 'p.ts'], as)).toMatchObject({
    exitCode: 3,
    error: { code: 'forbidden' },
  })
  await json(cwd, ['token', 'rm', token_id])
  const { exitCode, stdout, stderr } = await jack(cwd, ['ls'], as)
  expect([exitCode, stdout]).toEqual([3, ''])
  expect(stderr).not.toContain(token)
})

test('signing in and out changes what is kept for this cloud alone', async () => {
  const apart = { XDG_CONFIG_HOME: join(home, 'config2'), JACK_URL: ready.url }
  expect((await jack(home, ['whoami'], { env: apart })).exitCode).toBe(3)
  expect(
    (await jack(home, ['login', '--token', '-'], { env: apart, input: 'jkt_wrong' })).exitCode,
  ).toBe(3)
  expect(
    (await jack(home, ['login', '--token', '-'], { env: apart, input: ready.token })).exitCode,
  ).toBe(0)
  expect((await jack(home, ['whoami'], { env: apart })).exitCode).toBe(0)
  expect(await json(home, ['logout'], { env: apart })).toMatchObject({ signed_out: true })
  expect(JSON.parse(readFileSync(join(home, 'config2/jack/config.json'), 'utf8')).tokens).toEqual(
    {},
  )
})

test('a dry run says what it would cost and keeps nothing', async () => {
  const cwd = folder('dry', { 'index.ts': worker('x') })
  expect(await json(cwd, ['deploy', '--dry-run'])).toMatchObject({
    exitCode: 0,
    price_usd: '0.050000',
  })
  expect((await json(cwd, ['info', 'dry'])).exitCode).toBe(4)
})

test('what Jack does not carry is a warning to people and programs alike', async () => {
  const cwd = folder('r2', {
    'index.js': worker('x'),
    'wrangler.json': JSON.stringify({ name: 'r2', r2_buckets: [{ binding: 'FILES' }] }),
  })
  const { warnings } = await json(cwd, ['deploy'])
  expect(warnings).toEqual([expect.stringContaining('"r2_buckets" is not carried')])
  expect((await jack(cwd, ['deploy'])).stderr).toContain('warning wrangler.json "r2_buckets" is')
})

test('a URL is verified against the same program in any other folder, and what differs is named', async () => {
  const program = (more: Record<string, string> = {}) => ({
    'jack.json': '{"name":"verified","assets":"public","vars":{"MODE":"a"}}',
    'src/index.ts':
      "import { twice } from 'twice'\nimport text from '../data/note.txt'\nexport default { fetch: () => new Response(twice(text) + import.meta.url) }\n",
    'data/note.txt': 'note',
    'package.json': '{"dependencies":{"twice":"1.0.0"}}',
    'node_modules/twice/package.json': '{"name":"twice","version":"1.0.0","main":"lib/index.js"}',
    'node_modules/twice/lib/index.js': 'exports.twice = (it) => require("./half")(it) + it\n',
    'node_modules/twice/lib/half.js': 'module.exports = function half(it) { return it }\n',
    'public/index.html': '<h1>page</h1>',
    'public/_redirects': '/old /new',
    ...more,
  })
  const { url, deployment_url, digest } = await json(folder('verify-a', program()), ['deploy'])
  const elsewhere = folder('verify/some/where/else', program())
  const same = { code: 'same', assets: 'same', settings: 'same' }
  for (const asked of [url, deployment_url]) {
    expect(await json(elsewhere, ['verify', asked])).toMatchObject({
      exitCode: 0,
      same: true,
      parts: same,
      digest,
      live_digest: digest,
    })
  }
  const differing = async (name: string, more: Record<string, string>) => {
    const { exitCode, parts, same } = await json(folder(name, program(more)), ['verify', url])
    expect([exitCode, same]).toEqual([5, false])
    return parts
  }
  expect(await differing('verify-code', { 'data/note.txt': 'other' })).toEqual({
    ...same,
    code: 'differs',
    settings: 'unknown',
  })
  expect(await differing('verify-assets', { 'public/_redirects': '/old /newer' })).toEqual({
    ...same,
    assets: 'differs',
  })
  const vars = { 'jack.json': '{"name":"verified","assets":"public","vars":{"MODE":"b"}}' }
  expect(await differing('verify-vars', vars)).toEqual({ ...same, settings: 'differs' })

  await json(elsewhere, ['env', 'set', 'SECRET=1', '-p', 'verified'])
  expect(await json(elsewhere, ['verify', url])).toMatchObject({ same: true })
  const people = await jack(elsewhere, ['verify', url])
  expect([people.exitCode, people.stdout]).toEqual([0, expect.stringMatching(/verdict +same/)])
  expect(await json(elsewhere, ['verify', ready.url])).toMatchObject({
    exitCode: 1,
    error: { code: 'bad_answer' },
  })
  expect((await json(elsewhere, ['verify', 'nonsense'])).exitCode).toBe(2)
}, 90_000)

test('a program is staged in pieces and deployed without a folder', async () => {
  const cwd = folder('staged', { 'src/index.ts': worker('staged'), 'note.txt': 'first line\n' })
  const p = ['-p', 'staged']
  expect(await json(cwd, ['files', 'put', 'src/index.ts', 'note.txt', ...p])).toMatchObject({
    exitCode: 0,
    count: 2,
  })
  await jack(cwd, ['files', 'put', '-', '--as', 'note.txt', '--append', ...p], {
    input: 'second line\n',
  })
  const cat = await jack(cwd, ['files', 'cat', 'note.txt', ...p])
  expect(cat.stdout).toBe('first line\nsecond line')
  expect((await jack(cwd, ['files', 'ls', ...p])).stdout).toMatch(/src\/index\.ts +\d+ B/)
  expect((await jack(cwd, ['files', 'put', 'src', ...p])).exitCode).toBe(2)
  const elsewhere = folder('nothing-here', { 'x.txt': '' })
  const deployed = await json(elsewhere, ['deploy', '--staged', '--name', 'staged'])
  expect(deployed).toMatchObject({ exitCode: 0, name: 'staged', created: true })
  expect(await text(deployed.url)).toBe('staged')
  expect(await json(cwd, ['files', 'rm', '--all', ...p])).toMatchObject({ count: 0 })
  expect((await jack(cwd, ['files', 'rm', ...p])).exitCode).toBe(2)

  await jack(cwd, ['env', 'import', '-', ...p], { input: '# one\nexport A="x y"\nB=2 # two\n' })
  await jack(cwd, ['env', 'rm', 'B', ...p])
  const { changes } = await json(cwd, ['env', 'history', ...p])
  expect(changes.map((it: { name: string; action: string }) => `${it.action} ${it.name}`)).toEqual([
    'deleted B',
    'set B',
    'set A',
  ])
})

test('a database is migrated before the first deploy, and looked into, saved and brought back after it', async () => {
  const app = folder('notes', {
    'wrangler.jsonc': `{ "name": "notes", "main": "index.js", // D1
      "d1_databases": [{ "binding": "DB", "database_name": "main", "migrations_dir": "db" }],
      "triggers": { "crons": ["0 0 1 1 *"] } }`,
    'index.js': `export default {
      async fetch(request, env) { return Response.json((await env.DB.prepare("select text from note").all()).results) },
      async scheduled({ cron }, env) { await env.DB.prepare("insert into note (text) values (?)").bind(cron).run() } }`,
    'db/0001_init.sql':
      "create table note (text text not null); -- one; two\ninsert into note values ('first');",
    'db/0002_more.sql': `create trigger twice after insert on note when new.text = 'x' begin insert into note values ('xx;'); end;`,
    'db/notes.txt': 'no migration',
  })
  expect(await json(app, ['db', 'migrate', '--dry-run'])).toMatchObject({
    exitCode: 0,
    pending: ['0001_init.sql', '0002_more.sql'],
  })
  expect(await json(app, ['db', 'migrate'])).toEqual({
    exitCode: 0,
    project: 'notes',
    database: 'main',
    applied: ['0001_init.sql', '0002_more.sql'],
  })
  expect(await json(app, ['db', 'migrate'])).toMatchObject({ applied: [] })
  folder('notes', {
    'db/0003_bad.sql': "insert into note values ('half'); insert into nowhere values (1);",
    'db/0004_after.sql': "insert into note values ('after')",
  })
  const failed = await jack(app, ['db', 'migrate'])
  expect(failed).toMatchObject({ exitCode: 2 })
  expect(failed.stderr).toMatch(/0003_bad\.sql: no such table: nowhere/)

  const deployed = await json(app, ['deploy'])
  expect(await text(deployed.url)).toBe('[{"text":"first"}]')
  expect((await jack(app, ['db', 'exec', "insert into note values ('x')"])).stderr).toMatch(
    /2 rows changed/,
  )
  const shown = await jack(app, [
    'db',
    'exec',
    '-d',
    'DB',
    'select rowid, text from note; select 1 as one, null as n',
  ])
  expect(shown.stdout).toBe('ROWID  TEXT\n1      first\n2      x\n3      xx;\nONE  N\n1    NULL')
  expect(
    await json(app, ['db', 'exec', '-f', '-'], { input: 'select count(*) from note' }),
  ).toMatchObject({
    results: [{ columns: ['count(*)'], rows: [[3]] }],
  })
  expect(await json(app, ['db', 'ls'])).toMatchObject({
    databases: [{ name: 'main', size_bytes: expect.any(Number) }],
  })

  const saved = await jack(app, ['db', 'export'])
  expect(saved.stdout).toContain(`INSERT INTO "note" ("text") VALUES('xx;');`)
  const restored = await json(app, ['db', 'import', '-', '-d', 'copy'], { input: saved.stdout })
  expect(restored).toMatchObject({ exitCode: 0, database: 'copy' })
  const copy = await jack(app, ['db', 'export', '-d', 'copy', '-o', 'copy.sql'])
  expect(copy.exitCode).toBe(0)
  expect(readFileSync(join(app, 'copy.sql'), 'utf8').trimEnd()).toBe(saved.stdout)
  expect((await jack(app, ['db', 'export', '-d', 'none'])).exitCode).toBe(4)

  expect(await json(app, ['cron', 'ls'])).toMatchObject({
    crons: [{ cron: '0 0 1 1 *', last_at: null }],
  })
  expect((await jack(app, ['info'])).stdout).toMatch(/cron +0 0 1 1 \* \(next in \d+d\)/)
  expect(await json(app, ['cron', 'run'])).toMatchObject({ exitCode: 0, outcome: 'ok' })
  expect(await text(deployed.url)).toContain('0 0 1 1 *')
  await jack(app, ['rm', '--yes'])
})

test('a program can deploy a folder and follow what it prints', async () => {
  const client = createJack({ url: ready.url, token: ready.token })
  const dir = folder('sdk', {
    'index.ts': worker('sdk'),
    'public/big.bin': 'x'.repeat(3_000_000),
    'public/index.html': '<p>page',
  })
  const { url, name } = await deployFolder(client, dir, { name: 'sdk-app' })
  expect(await text(`${url}/`)).toBe('<p>page')
  expect((await text(`${url}/big.bin`)).length).toBe(3_000_000)
  setTimeout(() => void text(`${url}/api`), 300)
  for await (const { message } of client.projects.followLogs(name)) {
    expect(message).toBe('asked')
    break
  }
})

test('a project without budget is suspended, says why, and comes back', async () => {
  const cwd = folder('thrifty', {
    'index.js':
      'export default { fetch() { let n = 0; for (let i = 0; i < 5e7; i++) n += i % 7; return new Response(String(n)) } }',
  })
  const { url } = await json(cwd, ['deploy'])
  expect(await json(cwd, ['budget', '--daily', '0', '--total', '5'])).toMatchObject({
    exitCode: 0,
    budget_usd: '5.000000',
    daily_budget_usd: '0.000000',
    included_usd: '0.010000',
  })
  while ((await localFetch(url, {})).status !== 402);
  const info = await jack(cwd, ['info'])
  expect(info.stdout).toContain('suspended: The app has spent its budget for today (UTC).')
  expect(info.stdout).toMatch(/It spent \$[0-9.]+ of \$0\.00\./)
  expect(info.stderr).toContain('jack budget thrifty --daily none')
  expect(await json(cwd, ['resume'])).toMatchObject({
    exitCode: 7,
    error: { code: 'budget_exceeded', next: expect.any(Array) },
  })
  expect((await json(cwd, ['budget', '--daily', 'none'])).daily_budget_usd).toBe(null)
  expect((await localFetch(url, {})).status).toBe(200)
  expect((await json(cwd, ['resume'])).status).toBe('active')

  const usage = await jack(cwd, ['usage'])
  expect(usage.stdout).toMatch(/█ {2}[\d,]+\n/)
  expect(usage.stdout).toMatch(/lasts about .+ at the rate of the last 24 hours\./)
  const { projects, runway } = await json(cwd, ['usage', '--all'])
  expect(projects.map((it: { name: string }) => it.name)).toContain('thrifty')
  expect(runway.hours).toBeGreaterThan(0)
})

test('test money is added, and shows in the balance and the receipts', async () => {
  const before = await json(home, ['balance'])
  const added = await json(home, ['balance', 'add', '$2.50'])
  expect(added).toMatchObject({ exitCode: 0, added_usd: '2.500000', resumed: [] })
  expect(Number(added.balance_usd)).toBeGreaterThan(Number(before.balance_usd) + 2)
  expect((await json(home, ['balance', 'add', 'lots'])).error.code).toBe('usage')
  const { receipts } = await json(home, ['receipts'])
  expect(receipts.find((it: { reason: string }) => it.reason === 'grant').amount_usd).toBe(
    '2.500000',
  )
})

test('the bill is saved, verified without the cloud, and every change of it is found', async () => {
  const program = folder('billed', { 'sum.js': 'export const run = () => 1' })
  await json(program, ['run', 'sum.js'])
  const shown = await jack(home, ['receipts', '--all'])
  expect(shown.stdout).toMatch(/^\s*NO\s+AT \(UTC\)\s+AMOUNT\s+REASON/)
  expect(shown.stdout).toMatch(/grant/)

  const first = await json(home, ['receipts', 'verify'])
  expect(first).toMatchObject({ exitCode: 0, ok: true, key: 'new', cloud: ready.url })
  expect(await json(home, ['receipts', 'verify'])).toMatchObject({ ok: true, key: 'known' })
  const words = await jack(home, ['receipts', 'verify'])
  expect([words.exitCode, words.stdout]).toEqual([0, expect.stringMatching(/verdict\s+adds up/)])

  const bill = (await jack(home, ['receipts', 'export'])).stdout
  const dir = folder('bills', { 'bill.json': bill, 'cut.json': '{"receipts": []}' })
  const verify = (name: string) =>
    json(dir, ['receipts', 'verify', name], {
      env: { JACK_URL: 'http://127.0.0.1:1', JACK_TOKEN: 'jkt_none' },
    })
  expect(await verify('bill.json')).toMatchObject({ exitCode: 0, ok: true, key: 'known' })
  expect(await verify('cut.json')).toMatchObject({ exitCode: 2, error: { code: 'usage' } })
  expect(await verify('none.json')).toMatchObject({ exitCode: 2 })

  const changed = JSON.parse(bill)
  changed.receipts[1].amount_usd = '-0.010001'
  writeFileSync(join(dir, 'changed.json'), JSON.stringify(changed))
  expect(await verify('changed.json')).toMatchObject({
    exitCode: 1,
    ok: false,
    finding: { position: 2, rule: 'hash', receipt_id: changed.receipts[1].receipt_id },
  })
  const said = await jack(dir, ['receipts', 'verify', 'changed.json'])
  expect(said.stdout).toMatch(/first at\s+receipt 2/)
}, 60_000)

test('a cloud that is told to stop ends in good order, and starts again with everything in it', async () => {
  const cwd = folder('kept', { 'index.js': worker('kept') })
  expect(await json(cwd, ['deploy'])).toMatchObject({ exitCode: 0, name: 'kept' })
  up.kill('SIGINT')
  const [code] = await once(up, 'exit')
  expect(code).toBe(0)
  expect((await jack(home, ['ls'])).exitCode).toBe(6)

  up = spawn(process.execPath, [...node, 'up', '--port', '0', '--data', data, '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(createInterface({ input: up.stdout as NodeJS.ReadableStream }), 'line')
  const { projects } = await json(home, ['ls'])
  const { url } = projects.find((it: { name: string }) => it.name === 'kept')
  expect(await text(url)).toBe('kept')
}, 60_000)
