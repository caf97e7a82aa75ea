import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { fromSource, text } from '../harness.ts'
import { doubling, mppxBin, mppxCommand, type PaidCloud, paidCloud, type Wallet } from './paying.ts'

// Somebody who has a wallet and the command line of mppx, and has never heard of Jack. The order of the tests matters.
vi.setConfig({ testTimeout: 300_000 })
let paid: PaidCloud
let wallet: Wallet
let mppx: ReturnType<typeof mppxCommand>
beforeAll(async () => {
  paid = await paidCloud('mppx')
  wallet = await paid.newWallet()
  mppx = mppxCommand(paid, wallet, 'stranger')
}, 120_000)
afterAll(() => paid?.close())

/** What the command printed on stdout, which is the answer. */
async function answer(args: string[]) {
  const { stdout, stderr, exitCode } = await mppx(args)
  expect(exitCode, `${stdout}\n${stderr}`).toBe(0)
  return { json: JSON.parse(stdout), stderr }
}

const post = (path: string, body: object, ...more: string[]) =>
  answer([`${paid.url}${path}`, '-J', JSON.stringify(body), ...more])

async function sessions() {
  const { json } = await answer(['sessions', 'list', '--format', 'json'])
  return json.sessions ?? json
}

test('runs a program and opens a session; the next command uses it again', async () => {
  const first = await post('/execute', doubling)
  expect(first.json).toMatchObject({ result: 42, charged_usd: '0.010000' })
  const [channel] = /0x[0-9a-f]{64}/.exec(first.stderr) ?? []
  const second = await post('/execute', { ...doubling, input: 4 })
  expect(second.json).toMatchObject({ result: 8 })
  expect(second.stderr).toContain(`Session retained ${channel}`)
})

test('deploys, and the URL answers', async () => {
  const { json } = await post('/deploy', {
    name: 'mine',
    files: { 'index.js': 'export default { fetch: () => new Response("paid for") }' },
  })
  expect(json).toMatchObject({ name: 'mine', charged_usd: '0.050000' })
  expect(await text(json.url)).toBe('paid for')
})

test('adds to its balance', async () => {
  const { json } = await post('/v1/balance', { amount_usd: '1' })
  expect(json).toMatchObject({ balance_usd: '1.000000', added_usd: '1.000000' })
})

test("adds to the balance of somebody else's project", async () => {
  const other = mppxCommand(paid, await paid.newWallet(), 'other')
  const files = { 'index.js': 'export default { fetch: () => new Response() }' }
  const deployed = await other([`${paid.url}/deploy`, '-J', JSON.stringify({ files })])
  const { url } = JSON.parse(deployed.stdout)
  const { json } = await post('/v1/balance', { amount_usd: '0.25', project: url })
  // How much the other one has is not a stranger's to know.
  expect(json).toEqual({ added_usd: '0.250000', resumed: [] })
  const theirs = await other([`${paid.url}/v1/balance`, '-H', 'Accept-Payment: tempo/charge'])
  expect(JSON.parse(theirs.stdout)).toMatchObject({ balance_usd: '0.250000' })
})

test('proves who it is for what costs nothing, when it says that it can', async () => {
  const before = await paid.balanceOf(wallet.account.address)
  const url = `${paid.url}/v1/projects`
  const { json } = await answer([url, '-H', 'Accept-Payment: tempo/charge'])
  expect(json.projects).toMatchObject([{ name: 'mine' }])
  const removed = await answer([
    `${url}/mine`,
    '-X',
    'DELETE',
    '-H',
    'Accept-Payment: tempo/charge',
  ])
  expect(removed.json).toMatchObject({ deleted: true })
  expect(await paid.balanceOf(wallet.account.address)).toBe(before)
  // Who says nothing is somebody without a token.
  const silent = await mppx([url, '-f'])
  expect(silent.exitCode).toBe(22)
  expect((await fetch(url)).status).toBe(401)
})

test('pays with one transaction each when it accepts nothing else', async () => {
  const before = await paid.balanceOf(paid.payee)
  const once = await post('/execute', doubling, '-H', 'Accept-Payment: tempo/charge')
  expect(once.json).toMatchObject({ result: 42, charged_usd: '0.010000' })
  expect(once.stderr).not.toContain('Session')
  expect((await paid.balanceOf(paid.payee)) - before).toBe(10_000n)
  const files = { 'index.js': 'export default { fetch: () => new Response() }' }
  const day = await post('/deploy', { files }, '-H', 'Accept-Payment: tempo/charge')
  expect(day.json).toMatchObject({ charged_usd: '0.100000', ttl_hours: 24 })
  expect((await paid.balanceOf(paid.payee)) - before).toBe(110_000n)
})

test('signs for another program, which pays without ever seeing the key', async () => {
  const body = JSON.stringify(doubling)
  const headers = { 'content-type': 'application/json', 'accept-payment': 'tempo/charge' }
  const url = `${paid.url}/execute`
  const asked = await fetch(url, { method: 'POST', headers, body })
  const challenge = asked.headers.get('www-authenticate') as string
  const { json } = await answer(['sign', '--challenge', challenge, '--format', 'json'])
  const { authorization } = json
  const paying = { method: 'POST', headers: { ...headers, authorization }, body }
  expect(await (await fetch(url, paying)).json()).toMatchObject({ result: 42 })
})

test('closes its session: what was spent goes to the payee, everything else comes back', async () => {
  const [session] = await sessions()
  const [payee, payer] = [paid.payee, wallet.account.address]
  const before = { payee: await paid.balanceOf(payee), payer: await paid.balanceOf(payer) }
  const closed = await mppx(['sessions', 'close', '--all', '--yes'])
  expect(closed.exitCode, `${closed.stdout}\n${closed.stderr}`).toBe(0)
  // Two executions and a deploy. What it added to balances, also to that of somebody else, nobody has used.
  const spent = 10_000n + 10_000n + 50_000n
  expect((await paid.balanceOf(payee)) - before.payee).toBe(spent)
  expect((await paid.balanceOf(payer)) - before.payer).toBe(5_000_000n - spent)
  expect(session).toMatchObject({ status: 'open' })
  expect(await sessions()).toEqual([])
})

test('a closed session does not stop it: the next one is opened when asked for', async () => {
  const { json } = await post('/execute', doubling)
  expect(json).toMatchObject({ result: 42 })
})

test('what the page on payments shows is what happens', async () => {
  const page = await readFile(new URL('../../docs/payments.md', import.meta.url), 'utf8')
  const snippets = [...page.matchAll(/<!-- run with a wallet -->\n+```sh\n(.*?)```/gs)]
  expect(snippets.length).toBe(3)
  const { path } = paid.home
  const shim = (name: string, command: string) =>
    writeFile(join(path, 'bin', name), `#!/bin/sh\n${command}\n`, { mode: 0o755 })
  await mkdir(join(path, 'bin'))
  const quoted = (words: readonly string[]) => words.map((it) => `'${it}'`).join(' ')
  await shim('jack', `exec ${quoted(fromSource)} "$@"`)
  await shim('npx', `shift; exec ${quoted([process.execPath, mppxBin])} "$@"`)
  const { key } = await paid.newWallet()
  for (const [, code = ''] of snippets) {
    const { stdout } = await execa('bash', ['-euo', 'pipefail', '-c', code], {
      extendEnv: false,
      cwd: path,
      env: {
        PATH: `${join(path, 'bin')}:${process.env.PATH}`,
        HOME: join(path, 'reader'),
        JACK_URL: paid.url,
        JACK_PRIVATE_KEY: key,
        JACK_RPC_URL: paid.chain.rpc_url,
        MPPX_PRIVATE_KEY: key,
        MPPX_RPC_URL: paid.chain.rpc_url,
      },
    })
    expect(stdout, code).toContain('42')
  }
})
