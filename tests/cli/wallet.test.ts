import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, temporaryHome, text, type Up, up } from '../harness.ts'

// A wallet and no account, through the real command line, on a cloud that somebody else started.
const cloudHome = temporaryHome('payee')
const home = temporaryHome('payer')
const { jack, json: anyJson } = commandLine(home)
let cloud: Up

const json = (args: string[], env: Record<string, string> = {}) =>
  anyJson(args, { env: { JACK_URL: cloud.ready.url, ...env } })

beforeAll(async () => {
  cloud = await up(cloudHome, join(cloudHome.path, 'cloud'))
}, 120_000)

afterAll(async () => {
  await cloud?.stop()
  await home.remove()
  await cloudHome.remove()
}, 60_000)

const program = join(home.path, 'work', 'double.ts')
mkdirSync(join(home.path, 'work', 'app'), { recursive: true })
writeFileSync(program, 'export const run = (n: number) => n * 2')
writeFileSync(
  join(home.path, 'work', 'app', 'index.js'),
  'export default { fetch: () => new Response("paid by a wallet") }',
)

test('without a wallet and a token nothing is paid, and the way on is said', async () => {
  expect(await json(['run', program, '-i', '1'])).toMatchObject({
    exitCode: 7,
    error: { code: 'payment_required', next: expect.any(Array) },
  })
})

test('a wallet runs, deploys with a budget, looks, closes and gets the rest back', async () => {
  expect(await json(['wallet', 'create', '--file', '--no-passphrase'])).toMatchObject({
    exitCode: 0,
  })
  expect(await json(['wallet', 'fund'])).toMatchObject({ exitCode: 0, balance_usd: '1000.000000' })
  expect(await json(['run', program, '-i', '21'])).toMatchObject({ exitCode: 0, result: 42 })

  const folder = join(home.path, 'work', 'app')
  const deployed = await json(['deploy', folder, '--name', 'shop', '--budget', '0.5'])
  expect(deployed).toMatchObject({ exitCode: 0, charged_usd: '0.050000' })
  expect(await text(deployed.url)).toBe('paid by a wallet')
  expect(await json(['balance'])).toMatchObject({
    balance_usd: expect.stringMatching(/^0\.(5|4999)/),
  })
  expect(await json(['whoami'])).toMatchObject({ kind: 'wallet' })
  expect(await json(['ls'])).toMatchObject({ projects: [{ name: 'shop' }] })
  expect((await json(['sessions'])).sessions).toMatchObject([
    { status: 'open', deposit_usd: '5.000000', spent_usd: expect.stringMatching(/^0\.06/) },
  ])

  const closed = await json(['sessions', 'close', '--all'])
  expect(closed.sessions).toMatchObject([
    { status: 'closed', close: { captured_usd: expect.stringMatching(/^0\.06/) } },
  ])
  const [{ close }] = closed.sessions
  expect(Number(close.captured_usd) + Number(close.refunded_usd)).toBeCloseTo(5, 6)
  // Of a new session, without being asked.
  expect(await json(['run', program, '-i', '4'])).toMatchObject({ exitCode: 0, result: 8 })
}, 120_000)

test('a price is told before anything is paid, and a local cloud lends its own wallet', async () => {
  expect(await json(['run', program, '-i', '1', '--dry-run'])).toMatchObject({
    exitCode: 0,
    price_usd: '0.010000',
  })
  const borrowed = commandLine(temporaryHome('borrower'))
  const env = { JACK_URL: cloud.ready.url, JACK_DATA: cloud.ready.data }
  expect(await borrowed.json(['run', program, '-i', '3', '--wallet'], { env })).toMatchObject({
    result: 6,
  })
}, 60_000)

test('a limit that is hit is a clear error, and nothing is paid', async () => {
  const before = await json(['sessions'])
  expect(await json(['run', program, '-i', '1', '--max-spend', '0.005'])).toMatchObject({
    exitCode: 7,
    error: { code: 'spending_limit', limit: 'perCallUsd' },
  })
  await json(['wallet', 'limit', '--per-day', '0.02'])
  expect(await json(['run', program, '-i', '1'])).toMatchObject({
    exitCode: 7,
    error: { code: 'spending_limit', limit: 'perDayUsd' },
  })
  await json(['wallet', 'limit', '--per-day', 'none'])
  expect((await json(['sessions'])).sessions).toEqual(before.sessions)
}, 60_000)

test('a key in the environment pays for anybody, and says what it cost', async () => {
  const { private_key } = await json(['wallet', 'export', '--yes'])
  const other = commandLine(temporaryHome('agent'))
  const { stdout, stderr } = await other.jack(['run', program, '-i', '5'], {
    env: { JACK_URL: cloud.ready.url, JACK_PRIVATE_KEY: private_key },
  })
  expect(stdout).toBe('10')
  expect(stderr).toMatch(/Paid \$0\.01 out of the session, \$\d\.\d\d left in it\./)
  expect(stderr).not.toContain(private_key)
})

test('a token comes before the wallet, unless --wallet says otherwise', async () => {
  const token = { JACK_TOKEN: cloud.ready.token }
  expect(await json(['whoami'], token)).toMatchObject({ kind: 'local' })
  expect(await json(['whoami', '--wallet'], token)).toMatchObject({ kind: 'wallet' })
  expect((await jack(['wallet', 'show'], { env: { JACK_URL: cloud.ready.url } })).stdout).toContain(
    '0x',
  )
})

test('what the wallet deploys can be kept: by a link that the deploy prints, and by jack claim', async () => {
  const folder = join(home.path, 'work', 'app')
  const env = { JACK_URL: cloud.ready.url }
  const said = await jack(['deploy', folder, '--name', 'keep'], { env })
  expect(said.stderr).toMatch(/Keep it: http:\/\/127\.0\.0\.1:\d+\/claim\?link=[\w-]{43} /)
  expect(said.stdout).not.toContain('claim')

  expect(await json(['claim'])).toMatchObject({ exitCode: 3, error: { code: 'unauthorized' } })
  const claimed = await json(['claim', 'keep', 'none'], { JACK_TOKEN: cloud.ready.token })
  expect(claimed).toMatchObject({
    exitCode: 0,
    claimed: [{ name: 'keep', url: said.stdout.trim() }],
    refused: [{ name: 'none', reason: 'The wallet has no such project.' }],
  })
  expect(await text(said.stdout.trim())).toBe('paid by a wallet')
  expect(await json(['deploy', folder, '--name', 'keep'])).toMatchObject({
    exitCode: 5,
    error: { code: 'name_taken' },
  })
})

test('a wallet signs in, and is known by a token from then on', async () => {
  const signedIn = await json(['login', '--wallet'])
  expect(signedIn).toMatchObject({ exitCode: 0, scopes: expect.arrayContaining(['admin']) })
  expect(await json(['whoami'])).toMatchObject({ kind: 'wallet', token: { name: 'jack login' } })
  expect(await json(['logout'])).toMatchObject({ exitCode: 0 })
})
