import { createHash } from 'node:crypto'
import {
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { FormData } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Blobs } from '../store/blobs.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { collect } from './collect.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_VERSIONS_KEPT: '3' })
})
afterAll(() => cloud.close())

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')
const worker = (text: string) =>
  `export default { fetch: () => new Response(${JSON.stringify(text)}) }`
const deploy = async (name: string, text: string) =>
  (await cloud.api('POST', '/deploy', { name, files: { 'index.js': worker(text) } })).json

/** As a client uploads a bundle: every file along with the manifest. */
async function upload(name: string, files: Record<string, string>) {
  const entries = Object.entries(files)
  const form = new FormData()
  const modules = entries
    .filter(([path]) => path.endsWith('.js'))
    .map(([path, text]) => ({
      name: path,
      type: 'esm',
      sha256: sha256(text),
      size_bytes: Buffer.byteLength(text),
    }))
  const assets = entries
    .filter(([path]) => !path.endsWith('.js'))
    .map(([path, text]) => ({
      path: `/${path}`,
      sha256: sha256(text),
      size_bytes: Buffer.byteLength(text),
    }))
  form.append(
    'manifest',
    JSON.stringify({ main: modules[0]?.name ?? null, modules, assets: { files: assets } }),
  )
  for (const text of new Set(Object.values(files))) form.append(sha256(text), new Blob([text]))
  return cloud.api('POST', `/v1/projects/${name}/deployments/upload`, form)
}

const blobsOnDisk = () => {
  const dir = join(cloud.jack.config.dataDir, 'blobs')
  return readdirSync(dir)
    .filter((name) => /^..$/.test(name))
    .flatMap((name) => readdirSync(join(dir, name)))
}
const live = async () => {
  const { rows } = await sql<{ version: { modules: { sha256: string }[] } }>`
    select version from deployment`.execute(cloud.jack.db)
  return rows.flatMap(({ version }) => version.modules.map((it) => it.sha256))
}

test('what nothing needs is collected after the grace, what is needed or new never', async () => {
  const { url, project_id } = await deploy('stays', 'still here')
  const lone = 'nobody needs this'
  await cloud.jack.blobs.put(sha256(lone), Buffer.from(lone), 100)
  expect(await collect(cloud.jack)).toEqual({ blobs: 0 })
  expect(await collect(cloud.jack, -1_000)).toEqual({ blobs: 1 })
  expect(await cloud.jack.blobs.keep(sha256(lone))).toBe(undefined)

  // The source map too, and what the engine compiled can be made again.
  expect(blobsOnDisk().length).toBeGreaterThan(1)
  for (const app of cloud.jack.engine.running()) process.kill(app.pid, 'SIGKILL')
  await expect.poll(() => cloud.jack.engine.running()).toEqual([])
  expect((await cloud.live(url)).text).toBe('still here')

  await cloud.api('DELETE', `/v1/projects/${project_id}`)
  await collect(cloud.jack, -1_000)
  expect(blobsOnDisk()).toEqual([])
})

test('old versions go, but not the live one, the last ones, or those that were live lately', async () => {
  const made = []
  for (let i = 0; i < 6; i++) made.push(await deploy('many', `version ${i}`))
  const ids = made.map((it) => it.deployment_id)
  const { db } = cloud.jack
  const have = async () =>
    (await cloud.api('GET', '/v1/projects/many/deployments')).json.deployments
      .map((it: { deployment_id: string }) => ids.indexOf(it.deployment_id))
      .toSorted()
  await collect(cloud.jack, -1_000)
  expect(await have()).toEqual([0, 1, 2, 3, 4, 5])

  // Version 1 is live again since 40 days, until 20 days ago; the others are older still.
  await cloud.api('POST', `/v1/projects/many/deployments/${ids[1]}/promote`)
  await cloud.api('POST', `/v1/projects/many/deployments/${ids[0]}/promote`)
  await sql`update promotion set at = now() - interval '100 days' where promotion_id not in (
    select promotion_id from promotion order by promotion_id desc limit 2)`.execute(db)
  await sql`update promotion set at = now() - case when deployment_id = ${ids[1]} then interval '40 days'
    else interval '20 days' end where at > now() - interval '1 day'`.execute(db)
  expect((await cloud.live(made[2].deployment_url)).text).toBe('version 2')
  await collect(cloud.jack, -1_000)
  expect(await have()).toEqual([0, 1, 3, 4, 5])
  expect((await cloud.live(made[2].deployment_url)).status).toBe(404)
  expect((await cloud.live(made[0].url)).text).toBe('version 0')
  const gone = await cloud.api('POST', `/v1/projects/many/deployments/${ids[2]}/promote`)
  expect(gone.json.code).toBe('not_found')
})

test('deploys that share blobs never miss one, however often it is collected meanwhile', async () => {
  const graceMs = 1_000
  const until = Date.now() + 6_000
  const shared = Array.from({ length: 30 }, (_, i) => `export const shared = ${i}`)
  let collected = 0
  let deploys = 0
  const failures: unknown[] = []
  const collecting = (async () => {
    while (Date.now() < until) collected += (await collect(cloud.jack, graceMs)).blobs
  })()
  const deployer = async (n: number) => {
    for (let i = 0; Date.now() < until; i++) {
      const name = `shared-${n}`
      const text = shared[(n * 7 + i) % shared.length] as string
      const files = {
        'index.js': `import "./lib.js"; ${worker(`${n} ${i % 3}`)}`,
        'lib.js': text,
        'page.txt': text,
      }
      const { status, json } = await upload(name, files)
      if (status !== 201) failures.push(json)
      else deploys++
      // So that nothing needs them for a while, until somebody does again.
      if (i % 3 === 2) await cloud.api('DELETE', `/v1/projects/${name}`)
    }
  }
  await Promise.all([collecting, ...Array.from({ length: 4 }, (_, n) => deployer(n))])
  expect(deploys).toBeGreaterThan(20)
  expect(collected).toBeGreaterThan(5)
  for (const sha of await live()) expect(await cloud.jack.blobs.keep(sha), sha).toBeDefined()
  expect(failures).toEqual([])
})

test('keeping and collecting the same blob at once loses it for nobody who was told that it is there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'jack-blobs-'))
  const one = new Blobs(dir)
  const other = new Blobs(dir)
  await one.prepare()
  const content = Buffer.from('contended')
  const sha = sha256(content)
  let gone = 0
  for (let i = 0; i < 400; i++) {
    await one.put(sha, content, 100)
    utimesSync(one.path(sha), 0, 0)
    const before = new Date(Date.now() - 60_000)
    const [, kept] = await Promise.all([
      other.collect(before, async () => new Set()),
      new Promise((resolve) => setTimeout(resolve, i % 4)).then(() => one.keep(sha)),
    ])
    if (kept === undefined) gone++
    else expect(await one.read(sha)).toEqual(content)
  }
  expect(gone).toBeLessThan(400)
  await rm(dir, { recursive: true })
})

test('what the disk made of a file is found out before anybody gets it, and storing it anew mends it', async () => {
  const large = 'x'.repeat(3_000_000)
  const files = { 'index.js': worker('sound'), 'page.txt': '<h1>sound</h1>', 'large.txt': large }
  const { json } = await upload('rotten', files)
  const flip = (text: string) => {
    const path = cloud.jack.blobs.path(sha256(text))
    const bytes = readFileSync(path)
    bytes[5] = (bytes[5] as number) ^ 1
    writeFileSync(path, bytes)
  }
  flip(files['page.txt'])
  flip(large)
  const page = await cloud.live(`${json.url}/page.txt`)
  expect(page).toMatchObject({ status: 500, json: { code: 'internal' } })
  expect(page.text).not.toContain('sound')
  expect((await cloud.live(`${json.url}/large.txt`)).status).toBe(500)
  expect((await upload('rotten', files)).json).toMatchObject({ deduplicated: true })
  expect((await cloud.live(`${json.url}/page.txt`)).text).toBe('<h1>sound</h1>')
  expect((await cloud.live(`${json.url}/large.txt`)).text).toBe(large)

  // Code, as it is read when nothing compiled is left of it.
  const engine = join(cloud.jack.config.dataDir, 'engine')
  flip(files['index.js'])
  await cloud.jack.engine.remove(json.deployment_id)
  expect(existsSync(engine)).toBe(true)
  const { status, json: problem } = await cloud.live(`${json.url}/`)
  expect({ status, code: problem.code }).toEqual({ status: 500, code: 'internal' })
  await upload('rotten', files)
  truncateSync(cloud.jack.blobs.path(sha256(files['index.js'])), 3)
  await upload('rotten', files)
  expect((await cloud.live(`${json.url}/`)).text).toBe('sound')
})
