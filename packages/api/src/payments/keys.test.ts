import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { Mppx, tempo } from 'mppx/client'
import { pino } from 'pino'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keptSecrets } from '../store/keyFile.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { checkPayments } from './checks.ts'
import { type Localnet, startLocalnet } from './localnet/startLocalnet.ts'
import { balanceOf, clientOf, newWallet } from './localnet/testing.ts'
import { setupOf } from './setup.ts'

// A server as an operator runs it on a public network: everything by configuration, its keys in files. The network is a
// chain on this machine that has the network's id.
const operatorKey = generatePrivateKey()
const feePayerKey = generatePrivateKey()
const secrets = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
const encryptionKey = randomBytes(32).toString('base64')
const payee = privateKeyToAccount(generatePrivateKey()).address

let chain: Localnet
let cloud: TestCloud
let folder: string
const logged: string[] = []
beforeAll(async () => {
  chain = await startLocalnet({ chainId: 42_431 })
  folder = await mkdtemp(join(tmpdir(), 'jack-keys-'))
  const file = async (name: string, content: string) => {
    await writeFile(join(folder, name), `${content}\n`, { mode: 0o600 })
    return join(folder, name)
  }
  for (const key of [operatorKey, feePayerKey])
    await chain.faucet(privateKeyToAccount(key).address, 50_000_000n)
  const stream = { write: (line: string) => void logged.push(line) }
  cloud = await testCloud(
    {
      JACK_CHAIN: 'moderato',
      JACK_RPC_URL: chain.rpcUrl,
      JACK_PAYEE: payee,
      JACK_OPERATOR_KEY_FILE: await file('operator.key', operatorKey),
      JACK_FEE_PAYER_KEY_FILE: await file('fee-payer.key', feePayerKey),
      JACK_MPP_SECRET_FILE: await file('mpp.secret', secrets.join('\n')),
      JACK_ENCRYPTION_KEY_FILE: await file('encryption.key', encryptionKey),
    },
    pino({ level: 'trace' }, stream),
  )
})
afterAll(async () => {
  await cloud?.close()
  await chain?.stop()
  await rm(folder, { recursive: true, force: true })
})

function client(account: Awaited<ReturnType<typeof newWallet>>, way: 'session' | 'charge') {
  const viem = clientOf(chain, account)
  const getClient = () => viem
  const methods = [
    way === 'session'
      ? tempo.session({ account, getClient, maxDeposit: '20' })
      : tempo.charge({ account, getClient }),
  ]
  const mppx = Mppx.create({ polyfill: false, methods })
  return async (method: string, path: string, body?: object) => {
    const answer = await mppx.fetch(`${cloud.url}${path}`, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    return { status: answer.status, json: await answer.json() }
  }
}
const program = { code: 'export const run = (n) => n * 2', input: 21 }

test('a server on a public network is paid by configuration alone, and its doctor finds nothing wrong', async () => {
  const wallet = await newWallet(chain, 5_000_000n)
  const paid = client(wallet, 'session')
  expect(await paid('POST', '/execute', program)).toMatchObject({ json: { result: 42 } })
  expect(await paid('POST', '/v1/balance', { amount_usd: '1' })).toMatchObject({ status: 200 })
  const charged = await newWallet(chain, 10_000n)
  const once = await client(charged, 'charge')('POST', '/execute', program)
  expect(once).toMatchObject({ json: { result: 42 } })
  const owner = client(wallet, 'charge')
  const { json } = await owner('GET', '/v1/sessions')
  const closed = await owner('POST', `/v1/sessions/${json.sessions[0].session_id}/close`)
  expect(closed.json).toMatchObject({ status: 'closed', spent_usd: '0.010000' })
  // The fee payer had the gas of both, and the operator that of closing: the rest is exact.
  expect(await balanceOf(chain, payee)).toBe(20_000n)
  expect(await balanceOf(chain, wallet.address)).toBe(4_990_000n)
  expect(await balanceOf(chain, charged.address)).toBe(0n)
  const setup = setupOf('moderato', cloud.jack.config.payments)
  const checks = await checkPayments(setup, () => new Date())
  expect(checks.filter((it) => it.status !== 'ok')).toEqual([])
})

/** Each secret as anybody could have written it down. */
const spellings = () =>
  [operatorKey, feePayerKey].flatMap((key) => {
    const hex = key.slice(2)
    const bytes = Buffer.from(hex, 'hex')
    return [hex, hex.toUpperCase(), bytes.toString('base64url'), bytes.toString('base64')]
  })
const all = () => [...spellings(), ...secrets, encryptionKey]

test('keys are in no line of the log, also not when something fails', async () => {
  const headers = { 'content-type': 'application/json', authorization: 'Payment eyJ' }
  await fetch(`${cloud.url}/execute`, { method: 'POST', headers, body: JSON.stringify(program) })
  cloud.jack.log.trace({ config: cloud.jack.config.payments.chain }, 'as much as anybody would log')
  expect(logged.length).toBeGreaterThan(10)
  const text = logged.join('')
  for (const secret of all()) expect(text).not.toContain(secret)
})

test('keys are in no table of the database', async () => {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = 'public'`.execute(
    cloud.jack.db,
  )
  expect(tables.length).toBeGreaterThan(20)
  let text = ''
  for (const { name } of tables) {
    const { rows } = await sql<{ line: string }>`
      select t::text as line from ${sql.table(name)} t`.execute(cloud.jack.db)
    text += rows.map(({ line }) => line).join('\n')
  }
  // What is there at all can be found.
  expect(text).toContain(privateKeyToAccount(operatorKey).address.toLowerCase().slice(2))
  for (const secret of all()) expect(text).not.toContain(secret)
})

test('keys that were given are in no file of the data directory, and in no backup', async () => {
  const { dataDir } = cloud.jack.config
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  for (const it of entries.filter((it) => it.isFile())) {
    const text = await readFile(join(it.parentPath, it.name), 'latin1')
    for (const secret of all()) expect(text.includes(secret), it.name).toBe(false)
  }
  expect([...(await keptSecrets(dataDir)).keys()].toSorted()).toEqual(['receipt.key', 'token'])
})
