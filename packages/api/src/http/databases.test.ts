import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const create = async (name: string) =>
  expect((await cloud.api('POST', '/v1/projects', { name })).status).toBe(201)

const query = (project: string, body: object, database = 'main', headers = {}) =>
  cloud.api('POST', `/v1/projects/${project}/databases/${database}/query`, body, headers)

const count = async (project: string) =>
  (await query(project, { sql: 'select count(*) from t' })).json.results[0].rows[0][0]

test('a database is there before the first deploy, and the app finds it', async () => {
  await create('early')
  expect((await cloud.api('GET', '/v1/projects/early/databases')).json).toEqual({ databases: [] })
  const made = await query('early', {
    sql: "create table t (a integer primary key, b); insert into t (b) values ('one'), ('two'); select * from t",
  })
  expect(made.status, made.text).toBe(200)
  expect(made.json.results).toMatchObject([
    { columns: [], rows: [] },
    { changes: 2, rows_written: 2 },
    {
      columns: ['a', 'b'],
      rows: [
        [1, 'one'],
        [2, 'two'],
      ],
      rows_read: 2,
    },
  ])
  const files = {
    'wrangler.json': JSON.stringify({
      main: 'i.js',
      d1_databases: [{ binding: 'DB', database_name: 'main' }],
    }),
    'i.js': `export default { async fetch(request, env) {
      await env.DB.prepare("insert into t (b) values ('app')").run();
      return Response.json((await env.DB.prepare("select b from t").all()).results.map((it) => it.b)) } }`,
  }
  const { json } = await cloud.api('POST', '/deploy', { name: 'early', files })
  expect((await cloud.live(json.url)).json).toEqual(['one', 'two', 'app'])
  expect(await count('early')).toBe(3)
  expect((await cloud.live(json.url)).json).toHaveLength(4)
  const { bindings, egress } = (await cloud.api('GET', '/v1/projects/early')).json
  expect(bindings).toEqual([{ type: 'd1', name: 'DB', database: 'main' }])
  expect(egress).toBeNull()
  const { databases } = (await cloud.api('GET', '/v1/projects/early/databases')).json
  expect(databases).toEqual([{ name: 'main', size_bytes: made.json.size_bytes }])
  const saved = await cloud.api('GET', '/v1/projects/early/databases/main/export')
  expect(saved.json.sql).toContain(`INSERT INTO "t" ("a","b") VALUES(3,'app');`)
})

test('one call is one transaction, whatever its form', async () => {
  await create('atomic')
  await query('atomic', { sql: 'create table t (a)' })
  const refused = await query('atomic', {
    sql: 'insert into t values (1); insert into gone values (1)',
  })
  expect(refused.status).toBe(400)
  expect(refused.json).toMatchObject({
    code: 'invalid_request',
    detail: expect.stringMatching(/no such table: gone/),
  })
  const half = { batch: [{ sql: 'insert into t values (?)', params: [1] }, { sql: 'nonsense' }] }
  expect((await query('atomic', half)).status).toBe(400)
  expect(await count('atomic')).toBe(0)
  const whole = {
    batch: [
      { sql: 'insert into t values (?), (?)', params: ["it's; one", null] },
      { sql: 'select a from t' },
    ],
  }
  expect((await query('atomic', whole)).json.results[1].rows).toEqual([["it's; one"], [null]])
})

test('a repeat under the same key changes nothing twice', async () => {
  await create('repeated')
  await query('repeated', { sql: 'create table t (a)' })
  const key = { 'idempotency-key': 'insert-once' }
  const first = await query('repeated', { sql: 'insert into t values (1)' }, 'main', key)
  const again = await query('repeated', { sql: 'insert into t values (1)' }, 'main', key)
  expect(again.text).toBe(first.text)
  expect(await count('repeated')).toBe(1)
})

test.each([
  ['nothing', {}, 'invalid_request'],
  ['only a comment', { sql: '-- nothing' }, 'invalid_request'],
  ['parameters for many statements', { sql: 'select 1; select ?', params: [1] }, 'invalid_request'],
  ['a statement beyond the limit', { sql: `select '${'x'.repeat(100_001)}'` }, 'invalid_request'],
  ['a transaction of its own', { sql: 'begin; select 1; commit' }, 'invalid_request'],
  ['another file', { sql: "attach database '/etc/passwd' as x" }, 'invalid_request'],
  ['a file to write', { sql: "vacuum into '/tmp/x'" }, 'invalid_request'],
  ['an extension', { sql: "select load_extension('x')" }, 'invalid_request'],
  ['tables of the runtime', { sql: 'select * from _cf_METADATA' }, 'invalid_request'],
  [
    'a result without an end',
    {
      sql: "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) select i, 'xxxxxxxxxxxxxxxxxxxx' from n",
    },
    'output_too_large',
  ],
])('%s is refused', async (_, body, code) => {
  await cloud.api('POST', '/v1/projects', { name: 'refusing' })
  const answer = await query('refusing', body)
  expect(answer.json, answer.text).toMatchObject({ code })
})

test('a database has a plain name, and belongs to its project', async () => {
  await create('mine')
  for (const name of ['..%2fother', '%00', 'a'.repeat(64), 'a.b'])
    expect((await query('mine', { sql: 'select 1' }, name)).status).toBe(400)
  expect((await cloud.api('GET', '/v1/projects/mine/databases/none/export')).status).toBe(404)
  expect((await query('nobodys', { sql: 'select 1' })).status).toBe(404)
  const reader = await cloud.api('POST', '/v1/tokens', { name: 'reader', scopes: ['read'] })
  const as = { authorization: `Bearer ${reader.json.token}` }
  expect((await query('mine', { sql: 'select 1' }, 'main', as)).status).toBe(403)
  expect((await cloud.api('GET', '/v1/projects/mine/databases', undefined, as)).status).toBe(200)
})

test('an app that writes with many statements in one text pays for all of them', async () => {
  const files = {
    'wrangler.json': JSON.stringify({ main: 'i.js', d1_databases: [{ binding: 'DB' }] }),
    'i.js': `export default { async fetch(request, env) {
      await env.DB.prepare("create table t (a)").run();
      await env.DB.prepare("insert into t values (1);".repeat(40) + "select 1").run();
      return new Response("done") } }`,
  }
  const { json } = await cloud.api('POST', '/deploy', { name: 'writing', files })
  expect((await cloud.live(json.url)).text).toBe('done')
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/writing/usage')).json.total, {
      timeout: 10_000,
    })
    .toMatchObject({ rows_written: expect.toSatisfy((rows: number) => rows >= 40) })
})

test('rows are counted, and a project that has nothing left to spend runs no SQL', async () => {
  await create('counted')
  await query('counted', {
    sql: `create table t (a); ${'insert into t values (1);'.repeat(50)} select * from t`,
  })
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/counted/usage')).json.total, {
      timeout: 10_000,
    })
    .toMatchObject({
      rows_written: expect.toSatisfy((rows: number) => rows >= 50),
      rows_read: expect.toSatisfy((rows: number) => rows >= 50),
    })
  const suspend = (suspension: 'balance' | 'runaway') =>
    cloud.jack.db
      .updateTable('project')
      .set({ status: 'suspended', suspension, suspended_at: new Date(), evidence: {} })
      .where('name', '=', 'counted')
      .execute()
  await suspend('balance')
  expect((await query('counted', { sql: 'select 1' })).json).toMatchObject({
    code: 'insufficient_balance',
  })
  expect((await cloud.api('GET', '/v1/projects/counted/databases/main/export')).status).toBe(200)
  await suspend('runaway')
  expect((await query('counted', { sql: 'delete from t' })).status).toBe(200)
})
