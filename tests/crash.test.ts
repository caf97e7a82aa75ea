import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createJack, type Jack, JackError, localFetch } from '@jackcloud/sdk/node'
import { type Receipt, verifyBill } from '@jackcloud/sdk/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  behindTheBack,
  commandLine,
  eventually,
  live,
  postmasterFile,
  temporaryHome,
  text,
  type Up,
  up,
} from './harness.ts'
import { allProcesses, descendantsOf, isAlive, processesOf } from './processes.ts'

// One cloud and its data, through everything that can happen to its processes. The order of the tests matters.
const home = temporaryHome('crash')
const data = join(home.path, 'cloud')
const { json } = commandLine(home)
let cloud: Up
let jack: Jack

async function start(): Promise<void> {
  cloud = await up(home, data)
  // Without retries: what is lost is lost.
  const { url, token } = cloud.ready
  jack = createJack({ url, token, retries: 0, fetch: localFetch })
}

const urlOf = (host: string) => `http://${host}.${cloud.ready.domain}`
const projectUrl = (name: string) => urlOf(`local-${name}`)
const deploymentUrl = (id: string) => urlOf(id.replace('_', '-'))

beforeAll(start, 120_000)

afterAll(async () => {
  if (cloud) await cloud.stop()
  for (const { pid } of processesOf(home.path)) process.kill(pid, 'SIGKILL')
  await home.remove()
}, 60_000)

/** Everything that was asked of the cloud, and what came of it. */
interface Deploy {
  name: string
  key: string
  says: string
  id?: string
}
interface Execution {
  key: string
  input: number
  id?: string
  answeredAt?: number
}
const deploys: Deploy[] = []
const executions: Execution[] = []
/** Answers that nothing explains. */
const surprises: unknown[] = []

const send = {
  deploy: ({ name, key, says }: Deploy) =>
    jack.deploy(
      { name, files: { 'index.js': `export default { fetch: () => new Response('${says}') }` } },
      { idempotencyKey: key },
    ),
  execution: ({ key, input }: Execution) =>
    jack.execute(
      { code: 'export const run = (n) => ({ n, next: n + 1 })', input },
      { idempotencyKey: key },
    ),
}

async function execute(): Promise<void> {
  const it: Execution = { key: crypto.randomUUID(), input: executions.length }
  executions.push(it)
  const { execution_id, result } = await send.execution(it)
  expect(result).toEqual({ n: it.input, next: it.input + 1 })
  it.id = execution_id
  it.answeredAt = performance.now()
}

async function deploy(name: string): Promise<void> {
  const it: Deploy = { name, says: `${name} ${deploys.length}`, key: crypto.randomUUID() }
  deploys.push(it)
  it.id = (await send.deploy(it)).deployment_id
}

const projects = ['one', 'two', 'three']

/** Deploys, executes and asks, as fast as it goes, until the cloud is gone. */
function load() {
  let stopped = false
  /** Until then a failed connection is a surprise; after it, the work is lost. */
  let killed = false
  const loop = async (step: () => Promise<void>) => {
    while (!stopped) {
      try {
        await step()
      } catch (error) {
        if (!(killed && isLost(error))) surprises.push(error)
        if (killed) return
      }
    }
  }
  const loops = [
    ...projects.map((name) => loop(() => deploy(name))),
    ...[1, 2].map(() => loop(execute)),
    ...projects.map((name) =>
      loop(async () => {
        const before = deploys.filter((it) => it.name === name)
        const acknowledged = before.findLastIndex((it) => it.id)
        if (acknowledged < 0) return void (await sleep(10))
        const response = await live(projectUrl(name))
        const says = await response.text()
        // Nothing older than what was acknowledged when we asked.
        const plausible = deploys.filter((it) => it.name === name).slice(acknowledged)
        expect(plausible.map((it) => it.says)).toContain(says)
        await sleep(2)
      }),
    ),
  ]
  return {
    kill: async (pid: number) => {
      killed = true
      process.kill(pid, 'SIGKILL')
      stopped = true
      await Promise.all(loops)
    },
    stop: async () => {
      stopped = true
      await Promise.all(loops)
    },
  }
}

const isLost = (error: unknown): boolean =>
  error instanceof JackError
    ? error.code === 'network'
    : error instanceof TypeError && /fetch failed|terminated/.test(error.message)

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => Array.fromAsync(items)

/** The server process, the database and the sandboxes: each once, and nothing of an earlier life. */
function expectNoOrphans(): void {
  const { pid } = cloud.ready
  const own = new Set([cloud.process.pid, pid, ...descendantsOf(pid).map((it) => it.pid)])
  const others = processesOf(home.path).filter((it) => !own.has(it.pid))
  const database = others.filter(({ command }) => / -D /.test(command))
  expect(others.filter((it) => !database.includes(it))).toEqual([])
  expect(processesOf(join(data, 'postgres')).filter((it) => / -D /.test(it.command))).toHaveLength(
    1,
  )
}

const postmaster = (): number => Number(postmasterFile(data)[0])

/** Every acknowledged deployment is there and answers; one without an answer is whole, or not there at all. */
async function expectDeploymentsWhole(): Promise<void> {
  const receipts = await all(jack.allReceipts({ limit: 100 }))
  const charged = receipts.filter((it) => it.reason === 'deploy').map((it) => it.ref)
  expect(new Set(charged).size).toBe(charged.length)
  const listed: string[] = []
  for (const name of projects) {
    const mine = deploys.filter((it) => it.name === name)
    const versions = await all(jack.projects.allDeployments(name, { limit: 100 }))
    const ids = versions.map((it) => it.deployment_id)
    listed.push(...ids)
    const acknowledged = mine.flatMap((it) => it.id ?? [])
    expect(ids).toEqual(expect.arrayContaining(acknowledged))
    const unanswered = ids.filter((id) => !acknowledged.includes(id))
    const lost = mine.filter((it) => !it.id).map((it) => it.says)
    for (const id of unanswered) expect(lost).toContain(await text(deploymentUrl(id)))
    // Ids sort by time.
    for (const id of [acknowledged.sort()[0], acknowledged.at(-1)] as string[])
      expect(await text(deploymentUrl(id))).toBe(mine.find((it) => it.id === id)?.says)
    const newest = ids.toSorted().at(-1) as string
    expect(versions.filter((it) => it.live).map((it) => it.deployment_id)).toEqual([newest])
    expect(await text(projectUrl(name))).toBe(await text(deploymentUrl(newest)))
  }
  // Each version was paid for, and nothing else.
  expect(charged.sort()).toEqual(listed.sort())
}

async function expectLedgerAddsUp(): Promise<void> {
  const bill = await jack.bill()
  expect(await verifyBill(bill)).toMatchObject({ ok: true })
  // What was sealed before a kill is as it was.
  expect(bill.receipts.slice(0, sealed.length)).toEqual(sealed)
  sealed = bill.receipts
  // What is captured after its answer is captured in a moment.
  await eventually(async () => {
    const receipts = await all(jack.allReceipts({ limit: 100 }))
    const { balance_usd, held_usd } = await jack.balance()
    const sum = receipts.reduce((sum, it) => sum + micro(it.amount_usd), 0)
    expect(sum).toBe(micro(balance_usd) + micro(held_usd))
    const open = await openReservations()
    const held = open.reduce((sum, it) => sum + Number(it.amount_micro_usd), 0)
    expect(held).toBe(micro(held_usd))
    const paid = receipts.filter((it) => it.reason === 'execution').map((it) => it.ref as string)
    expect(new Set(paid).size).toBe(paid.length)
    // Whatever was charged but not answered is work whose answer was lost.
    const known = new Set(executions.flatMap((it) => it.id ?? []))
    const lost = executions.filter((it) => !it.id).length
    expect(paid.filter((id) => !known.has(id)).length).toBeLessThanOrEqual(lost)
  })
}

const paid = async (): Promise<string[]> =>
  (await all(jack.allReceipts({ limit: 100 }))).flatMap((it) => it.ref ?? [])

const openReservations = () =>
  sql('select amount_micro_usd from ledger_reservation where settled_at is null')

let sealed: Receipt[] = []

const micro = (usd: string): number => Math.round(Number(usd) * 1e6)

const sql = (query: string) => behindTheBack(data, query)

test.each([1, 2, 3, 4])(
  'what was acknowledged before kill -9 of the server is there after it, and nothing by halves (round %i)',
  async (round) => {
    const before = executions.length
    const working = load()
    await eventually(() =>
      expect(deploys.slice(-12).filter((it) => it.id).length).toBeGreaterThan(3),
    )
    await sleep(Math.random() * 400)
    const killedAt = performance.now()
    await working.kill(cloud.ready.pid)
    const { code } = await cloud.ended
    expect(code).toBe(1)
    expect(JSON.stringify(cloud.said())).not.toContain(cloud.ready.token)
    if (round === 2) await killWhileStarting()

    await start()
    expect(surprises).toEqual([])
    await expectDeploymentsWhole()
    await expectLedgerAddsUp()
    expectNoOrphans()
    // An answer is kept just after it went out. Only a kill in between loses it; then the same key does the work anew, and
    // what was lost is not paid: a receipt for an id that nobody has here fails below.
    const kept = (it: Execution) => (it.answeredAt ?? killedAt) < killedAt - 500
    const answers = executions.slice(before).filter(kept)
    expect(await paid()).toEqual(expect.arrayContaining(answers.flatMap((it) => it.id ?? [])))
    const answered = executions.findLast(kept) ?? executions.find((it) => it.id)
    const last = executions.findLast((it) => it.id)
    expect((await send.execution(answered as Execution)).execution_id).toBe(answered?.id)
    if (last) last.id = (await send.execution(last)).execution_id
    await repeatWhatWasLost()
    await expectLedgerAddsUp()
  },
  60_000,
)

/** Kills the server at a moment of its start, twice. */
async function killWhileStarting(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const starting = up(home, data)
    const refused = expect(starting).rejects.toThrow('SIGKILL')
    const server = await eventually(() => {
      const parent = allProcesses().find((it) => it.command.includes(`--data ${data}`))
      const [child] = parent ? descendantsOf(parent.pid) : []
      if (!child) throw new Error('There is no server yet')
      return child
    })
    await sleep(200 + Math.random() * 600)
    process.kill(server.pid, 'SIGKILL')
    await refused
  }
}

/** Who sends the same key again gets the answer, and pays once. */
async function repeatWhatWasLost(): Promise<void> {
  const lost = executions.filter((it) => !it.id)
  for (const it of lost) {
    const { execution_id, result } = await send.execution(it)
    expect(result).toEqual({ n: it.input, next: it.input + 1 })
    it.id = execution_id
  }
  for (const it of deploys.filter((it) => !it.id)) it.id = (await send.deploy(it)).deployment_id
  await eventually(async () => {
    const receipts = await all(jack.allReceipts({ limit: 100 }))
    const paid = (reason: string) => receipts.flatMap((it) => (it.reason === reason ? it.ref : []))
    expect(executions.map((it) => it.id)).toEqual(expect.arrayContaining(paid('execution')))
    expect(paid('execution')).toEqual(expect.arrayContaining(lost.map((it) => it.id)))
    expect(new Set(paid('deploy'))).toEqual(new Set(deploys.map((it) => it.id)))
  })
}

test('money that a crash left reserved comes back', async () => {
  const working = load()
  await sleep(300)
  await working.kill(cloud.ready.pid)
  await cloud.ended
  // Five minutes pass.
  await sql("update periodic set started_at = started_at - interval '6 minutes'")
  await sql(
    "update ledger_reservation set created_at = created_at - interval '6 minutes' where settled_at is null",
  )
  await start()
  await eventually(async () => expect((await jack.balance()).held_usd).toBe('0.000000'))
  await repeatWhatWasLost()
  await expectLedgerAddsUp()
}, 60_000)

test('kill -9 of the isolates: the next request and the next execution work', async () => {
  for (const name of projects) await text(projectUrl(name))
  const isolates = descendantsOf(cloud.ready.pid).filter(({ command }) =>
    /^\S*\bworkerd /.test(command),
  )
  expect(isolates.length).toBeGreaterThan(projects.length)
  // What walls them in ends after them, and only then does the server hear of it.
  const walls = descendantsOf(cloud.ready.pid).filter(({ command }) => /\bbwrap /.test(command))
  for (const { pid } of isolates) process.kill(pid, 'SIGKILL')
  await eventually(() => {
    for (const { pid } of [...isolates, ...walls]) expect(isAlive(pid)).toBe(false)
  })
  const answers = await Promise.all(projects.map(async (name) => live(projectUrl(name))))
  expect(answers.map((it) => it.status)).toEqual([200, 200, 200])
  await execute()
  expectNoOrphans()
})

test('kill -9 of the database: errors are clear meanwhile, it is back in seconds, nothing is lost', async () => {
  const failed: unknown[] = []
  const before = postmaster()
  let asking = true
  const again = async (step: () => Promise<unknown>) => {
    while (asking) {
      await step().catch((error) => failed.push(error))
      await sleep(30)
    }
  }
  const hosted: string[] = []
  const working = [
    again(execute),
    again(() => deploy('two')),
    again(async () => hosted.push(await text(projectUrl('one')))),
  ]
  await sleep(200)
  process.kill(before, 'SIGKILL')
  await eventually(async () => {
    expect((await live(`${cloud.ready.url}/readyz`)).status).toBe(200)
    expect(postmaster()).not.toBe(before)
  })
  await sleep(200)
  asking = false
  await Promise.all(working)
  expect(isAlive(before)).toBe(false)
  for (const error of failed) expect(error).toMatchObject({ code: 'unavailable', status: 503 })
  // Whoever visits an app notices nothing.
  expect([...new Set(hosted)]).toEqual([deploys.findLast((it) => it.name === 'one')?.says])
  await execute()
  await eventually(repeatWhatWasLost)
  await expectDeploymentsWhole()
  await expectLedgerAddsUp()
  expectNoOrphans()
}, 60_000)

test('a second start on the same data is told where the first is; a second server is refused', async () => {
  expect(await json(['up', '--data', data])).toEqual({ exitCode: 0, ...cloud.ready })
  rmSync(join(data, 'up.json'))
  const { exitCode, error } = await json(['up', '--port', '0', '--data', data])
  expect([exitCode, error.code]).toEqual([5, 'conflict'])
  expect(error.message).toContain(String(cloud.ready.pid))
  await execute()
})

test('SIGTERM lets what is under way finish, and then ends everything', async () => {
  const slow = await jack.deploy({
    name: 'slow',
    files: {
      'index.js':
        "export default { async fetch() { await new Promise((r) => setTimeout(r, 800)); return new Response('done') } }",
    },
  })
  const underWay = [
    text(slow.url),
    jack
      .execute({ code: 'export const run = () => new Promise((r) => setTimeout(r, 800, "done"))' })
      .then((it) => it.result),
    jack
      .deploy({
        name: 'last',
        files: { 'index.js': 'export default { fetch: () => new Response() }' },
      })
      .then((it) => (it.created ? 'done' : 'not new')),
  ]
  await sleep(150)
  cloud.process.kill('SIGTERM')
  expect(await Promise.all(underWay)).toEqual(['done', 'done', 'done'])
  const finishedAt = Date.now()
  expect(await cloud.ended).toEqual({ code: 0, signal: null })
  expect(Date.now() - finishedAt).toBeLessThan(6_000)
  await expect(live(cloud.ready.url)).rejects.toThrow()
  await eventually(() => expect(processesOf(home.path)).toEqual([]))
  expect(readdirSync(data)).not.toContain('up.json')
})

test('when jack up itself is killed, the server ends by itself with everything of it', async () => {
  await start()
  expect((await jack.projects.list()).projects.map((it) => it.name)).toContain('last')
  cloud.process.kill('SIGKILL')
  await eventually(() => {
    expect(isAlive(cloud.ready.pid)).toBe(false)
    expect(processesOf(home.path)).toEqual([])
  })
})
