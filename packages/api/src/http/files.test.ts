import { afterAll, beforeAll, expect, test } from 'vitest'
import * as stagedFiles from '../store/stagedFiles.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const stage = (project: string, files: Record<string, unknown>, more: object = {}) =>
  cloud.api('POST', `/v1/projects/${project}/files`, { files, ...more })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

test('a program is staged in pieces, read back, and deployed under its name', async () => {
  const before = await cloud.balance()
  expect(
    await stage('pieces', { 'src/index.ts': "import { say } from './say.ts'\n" }),
  ).toMatchObject({ status: 200, json: { count: 1, expires_at: expect.any(String) } })
  await stage(
    'pieces',
    { 'src/index.ts': 'export default { fetch: () => new Response(say) }\n' },
    { append: true },
  )
  await stage('pieces', {
    'src/say.ts': "export const say = 'first'\n",
    'public/dot.png': { base64: 'iVBORw==' },
  })
  const { json: list } = await cloud.api('GET', '/v1/projects/pieces/files')
  expect(list.files.map((it: { path: string }) => it.path)).toEqual([
    'public/dot.png',
    'src/index.ts',
    'src/say.ts',
  ])
  expect(list).toMatchObject({ count: 3, next_cursor: null })
  const read = (query: string) => cloud.api('GET', `/v1/projects/pieces/files/content?${query}`)
  expect((await read('path=src/say.ts')).json).toMatchObject({
    content: "export const say = 'first'\n",
    next_offset: null,
  })
  expect((await read('path=public/dot.png')).json.content).toEqual({ base64: 'iVBORw==' })
  expect((await read('path=src/no.ts')).json).toMatchObject({ code: 'not_found' })
  // Staging made no project and cost nothing.
  expect((await cloud.api('GET', '/v1/projects/pieces')).status).toBe(404)
  expect(await cloud.balance()).toBe(before)

  const quote = await cloud.api('POST', '/v1/quote', { name: 'pieces', staged: true, files: {} })
  expect(quote.json).toMatchObject({ operation: 'deploy', price_usd: '0.050000' })
  const first = await cloud.api('POST', '/deploy', { name: 'pieces', staged: true })
  expect(first.status, first.text).toBe(201)
  expect((await cloud.live(first.json.url)).text).toBe('first')
  const over = { 'src/say.ts': "export const say = 'second'\n" }
  const second = await cloud.api('POST', '/deploy', { name: 'pieces', staged: true, files: over })
  expect((await cloud.live(second.json.url)).text).toBe('second')

  const gone = await cloud.api('DELETE', '/v1/projects/pieces/files?path=src/say.ts')
  expect(gone.json).toMatchObject({ count: 2 })
  expect((await cloud.api('DELETE', '/v1/projects/pieces/files')).json).toEqual({
    count: 0,
    size_bytes: 0,
    expires_at: null,
  })
  expect((await cloud.api('POST', '/deploy', { name: 'pieces', staged: true })).json).toMatchObject(
    { code: 'missing_files' },
  )
})

test('a long text is read in parts that never cut a character', async () => {
  const text = 'aé🙂'.repeat(1_000)
  await stage('long', { 'note.txt': text })
  let [read, offset] = ['', 0 as number | null]
  while (offset !== null) {
    const { json } = await cloud.api(
      'GET',
      `/v1/projects/long/files/content?path=note.txt&offset=${offset}&limit=101`,
    )
    expect(typeof json.content).toBe('string')
    read += json.content
    offset = json.next_offset
  }
  expect(read).toBe(text)
})

test.each([
  '../x',
  '/etc/passwd',
  'a/../../b',
  'a\\b',
  'c:/x',
  'a//b',
  '__proto__/x',
  'a\0b',
  './a',
])('the path %j is refused, and nothing of the request is staged', async (path) => {
  const { status, json } = await stage('paths', { 'fine.ts': '', [path]: 'x' })
  expect([status, json.code]).toEqual([400, 'invalid_request'])
  expect((await cloud.api('GET', '/v1/projects/paths/files')).json.count).toBe(0)
})

test('a stage is bounded by source, by size, by number, and by account', async () => {
  const source = 'x'.repeat(300_000)
  expect((await stage('big', { 'a.ts': source })).status).toBe(200)
  expect(await stage('big', { 'b.ts': source })).toMatchObject({
    status: 413,
    json: { code: 'code_too_large' },
  })
  expect((await stage('big', { 'a.ts': source }, { append: true })).status).toBe(413)
  expect((await cloud.api('GET', '/v1/projects/big/files')).json).toMatchObject({
    count: 1,
    size_bytes: 300_000,
  })
  const many = Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`f${i}.txt`, '']))
  expect((await stage('many', many)).status).toBe(413)

  const piece = 'y'.repeat(900_000)
  let refused = 0
  // All at once, so that a limit which two requests could pass together would not hold.
  for (let project = 0; project < 5; project++) {
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, i) => stage(`full-${project}`, { [`${i}.txt`]: piece })),
    )
    refused += replies.filter((it) => it.status === 413).length
    const { json } = await cloud.api('GET', `/v1/projects/full-${project}/files`)
    expect(json.size_bytes).toBeLessThanOrEqual(5_000_000)
  }
  expect(refused).toBeGreaterThanOrEqual(5)
  const [{ account_id }] = (await cloud.jack.db
    .selectFrom('account')
    .select('account_id')
    .execute()) as [{ account_id: string }]
  expect(await stagedFiles.sizeOfAccount(cloud.jack.db, account_id)).toBeLessThanOrEqual(20_000_000)
})

test('a token that is confined to a project stages for that one alone, and a reader for none', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'mine' })
  const token = async (body: object) => (await cloud.api('POST', '/v1/tokens', body)).json.token
  const confined = bearer(await token({ name: 'c', scopes: ['deploy'], project: 'mine' }))
  const put = (project: string, headers: Record<string, string>) =>
    cloud.api('POST', `/v1/projects/${project}/files`, { files: { 'a.txt': '' } }, headers)
  expect((await put('mine', confined)).status).toBe(200)
  expect((await put('other', confined)).status).toBe(403)
  expect((await put('mine', bearer(await token({ name: 'r', scopes: ['read'] })))).status).toBe(403)
  const { status } = await cloud.api('GET', '/v1/projects/big/files', undefined, confined)
  expect(status).toBe(403)
})

test('a stage that nobody touches for a day is forgotten whole, one that somebody touches is kept whole', async () => {
  await stage('old', { 'a.txt': '', 'b.txt': '' })
  await stage('kept', { 'a.txt': '', 'b.txt': '' })
  const { db } = cloud.jack
  const long = new Date(Date.now() - 25 * 3_600_000)
  await db.updateTable('staged_file').set({ updated_at: long }).where('name', '=', 'old').execute()
  await db
    .updateTable('staged_file')
    .set({ updated_at: long })
    .where('name', '=', 'kept')
    .where('path', '=', 'a.txt')
    .execute()
  await stagedFiles.forgetOld(db, new Date(Date.now() - 24 * 3_600_000))
  const count = async (name: string) =>
    (await cloud.api('GET', `/v1/projects/${name}/files`)).json.count
  expect([await count('old'), await count('kept')]).toEqual([0, 2])
})

test('empty files take room too', async () => {
  await cloud.jack.db.deleteFrom('staged_file').execute()
  const account = (await cloud.api('GET', '/v1/me')).json.account_id
  const files = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [`${'d'.repeat(50)}/${i}`, '']),
  )
  expect((await stage('empty', files)).json).toMatchObject({ count: 400, size_bytes: 0 })
  expect(await stagedFiles.sizeOfAccount(cloud.jack.db, account)).toBeGreaterThan(400 * 150)
})
