import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import { pino } from 'pino'
import { generatePrivateKey } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import { type Reply, type TestCloud, testCloud } from '../testing/cloud.ts'
import { type Asker, asker, handmade, opened } from '../testing/handmade.ts'
import { closeSession } from '../verbs/close-session.ts'
import { recoverCharges } from '../verbs/recover-charges.ts'
import { watchSessions } from '../verbs/watch-sessions.ts'

// What somebody might find who reads logs, answers or the database: never what signs, never what pays.

const chain = testChain()
const secret = {
  hmac: 'hmac-secret-of-this-server-which-is-long',
  operator: generatePrivateKey(),
  node: 'api-key-of-our-node',
}
let cloud: TestCloud
let http: Asker
/** Everything that was ever logged or answered. */
const seen: string[] = []
let node: { url: string; broken: boolean; close(): void }

/** The chain behind an address that is secret, and that can be broken. */
async function nodeAt(rpcUrl: string): Promise<typeof node> {
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    if (it.broken && body.includes('eth_')) {
      res.writeHead(500).end(`{"error":"broken: ${body}"}`)
      return
    }
    const answer = await fetch(rpcUrl, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    })
    res.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const it = {
    url: `http://127.0.0.1:${port}/${secret.node}`,
    broken: false,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  return it
}

beforeAll(async () => {
  node = await nodeAt((await chain()).rpcUrl)
  cloud = await testCloud(
    {
      JACK_CHAIN: 'local',
      JACK_RPC_URL: node.url,
      JACK_MPP_SECRET: secret.hmac,
      JACK_OPERATOR_KEY: secret.operator,
    },
    pino({ level: 'trace' }, { write: (line: string) => void seen.push(line) }),
  )
  http = asker(cloud)
})
afterAll(async () => {
  await http.close()
  await cloud.close()
  node.close()
})

const program = { code: 'export const run = (n) => n * 2', input: 21 }
const heard = <T extends Reply>(answer: T): T => {
  seen.push(JSON.stringify(answer.headers), answer.text)
  return answer
}

test('logs, answers and tables have no key, no token, and nothing that pays', async () => {
  const it = handmade(await chain(), await newWallet(await chain()))
  const credentials: string[] = []
  const pay = async (
    path: string,
    body: unknown,
    make: Parameters<Asker['pay']>[3],
    method = 'POST',
  ) => {
    const answer = await http.pay(method, path, body, make)
    credentials.push(answer.credential)
    seen.push(JSON.stringify(answer.headers), answer.text)
    return answer
  }
  let signed = 10_000n
  const first = await pay('/execute', program, async ({ session }) => {
    channel = await it.channel(session)
    return it.open(session, channel)
  })
  expect(first.status).toBe(200)
  const promise = (step: bigint) => (challenges: { session: Parameters<typeof it.promise>[0] }) => {
    signed += step
    return it.promise(challenges.session, channel, signed)
  }
  await pay('/execute', program, promise(10_000n))
  await pay(
    '/execute',
    { code: 'export const run = () => { throw new Error("x") }' },
    promise(10_000n),
  )
  await pay('/v1/balance', { amount_usd: '0.1' }, promise(100_000n))
  await pay('/execute', program, ({ charge }) => it.charge(charge))
  await pay('/execute', program, ({ charge }) => it.charge(charge, { amount: 1n }))
  await pay('/execute', program, ({ charge }) =>
    it.charge(charge, { memo: `0x${'00'.repeat(32)}` }),
  )
  const made = await pay('/v1/tokens', { name: 'a', scopes: ['admin'] }, ({ charge }) =>
    it.prove(charge),
  )
  const token = made.json.token as string
  seen.splice(seen.indexOf(made.text), 1)
  expect(token).toMatch(/^jkt_/)

  // Everything once more, with a node that does not answer.
  const late = await http.ask('POST', '/execute', program)
  const [charged, promised] = [
    await it.charge(late.charge),
    await it.open(late.session, await it.channel(late.session)),
  ]
  const topUp = it.credential(late.session, {
    action: 'topUp',
    type: 'transaction',
    channelId: channel.id,
    descriptor: channel.descriptor,
    transaction: channel.transaction,
    additionalDeposit: '5',
  })
  node.broken = true
  const failed: number[] = []
  for (const authorization of [charged, promised, topUp]) {
    credentials.push(authorization)
    const body = authorization === topUp ? undefined : program
    failed.push(heard(await http.send('POST', '/execute', body, { authorization })).status)
  }
  const { sessionId } = (await cloud.jack.db
    .selectFrom('session')
    .select('session_id as sessionId')
    .where('channel_id', '=', channel.id)
    .executeTakeFirstOrThrow()) as { sessionId: string }
  await watchSessions(cloud.jack).catch((err) => cloud.jack.log.error({ err }, 'watch'))
  await recoverCharges(cloud.jack)
  await closeSession(cloud.jack, sessionId, 'asked').catch((err) =>
    cloud.jack.log.error({ err }, 'close'),
  )
  node.broken = false
  expect(failed.filter((status) => status < 500 && status !== 402)).toEqual([])
  cloud.jack.captures.flush()
  await cloud.jack.background.drain()

  const payloads = credentials.flatMap((credential) => {
    const payload = opened(credential).payload as { signature?: string; transaction?: string }
    return [payload.signature, payload.transaction].filter((it) => it !== undefined)
  })
  const bare = (hex: string) => hex.replace(/^0x/, '').toLowerCase()
  const keys = [secret.operator, cloud.wallet?.privateKey as string].map(bare)
  const hidden = [...keys, secret.hmac, secret.node, token, cloud.token]
  const paying = [...credentials.map((it) => it.slice('Payment '.length)), ...payloads.map(bare)]

  const told = seen.join('\n').toLowerCase()
  expect(seen.length).toBeGreaterThan(30)
  for (const it of [...hidden, ...paying]) expect(found(told, it)).toBe(null)
  expect(process.title + process.argv.join(' ')).not.toContain(secret.hmac)

  const stored = (await rows()).toLowerCase()
  for (const it of hidden) expect(found(stored, it)).toBe(null)
  expect(stored).toContain(channel.id)
})
let channel: Awaited<ReturnType<ReturnType<typeof handmade>['channel']>>

/** Where a secret stands, with what is around it. */
function found(text: string, it: string): string | null {
  const at = text.indexOf(it.toLowerCase())
  return at < 0 ? null : text.slice(Math.max(0, at - 300), at + 60)
}

/** Every row of every table, but for what is kept to be paid with. */
async function rows(): Promise<string> {
  const { jack } = cloud
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = current_schema() and table_type = 'BASE TABLE'`.execute(jack.db)
  expect(tables.length).toBeGreaterThan(15)
  const all = await Promise.all(
    tables.map(({ name }) =>
      sql<{ row: string }>`
        select (to_jsonb(t) - 'credential' - 'signature')::text as row from ${sql.table(name)} t`.execute(
        jack.db,
      ),
    ),
  )
  return all.flatMap((it) => it.rows.map(({ row }) => row)).join('\n')
}
