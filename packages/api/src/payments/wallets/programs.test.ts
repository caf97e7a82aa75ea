import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testChain } from '../localnet/testing.ts'
import { paidServer } from './paidServer.ts'

const chain = testChain()
const run = promisify(execFile)
const program = fileURLToPath(new URL('program.ts', import.meta.url))
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jack-wallet-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A wallet with money, as several programs have it. */
async function wallet(url: string) {
  const { rpcUrl, faucet } = await chain()
  const privateKey = generatePrivateKey()
  const { address } = privateKeyToAccount(privateKey)
  await faucet(address)
  const start = (calls: number, dieAt?: string) =>
    run(process.execPath, [
      '--conditions=jack:src',
      program,
      JSON.stringify({ url, rpcUrl, privateKey, folder, calls, dieAt }),
    ])
  return {
    file: join(folder, address.toLowerCase(), 'wallet.db'),
    dies: (dieAt: string) => expect(start(1, dieAt)).rejects.toMatchObject({ signal: 'SIGKILL' }),
    async runs(calls = 1): Promise<{ outcomes: unknown[]; totalUsd: string; stderr: string }> {
      const { stdout, stderr } = await start(calls)
      return { ...JSON.parse(stdout), stderr }
    },
  }
}

// Programs that load a wallet take their time on a machine that has none.
const timeout = 180_000

test('eight programs share one session and one limit', { timeout }, async () => {
  await using server = await paidServer(await chain())
  const { runs } = await wallet(server.url)
  const programs = await Promise.all(Array.from({ length: 8 }, () => runs(10)))
  const outcomes = programs.flatMap((it) => it.outcomes)
  // 80 calls of $0.01, and $0.75 to spend.
  expect(outcomes.filter((it) => typeof it === 'number')).toHaveLength(75)
  expect(outcomes.filter((it) => it === 'spending_limit')).toHaveLength(5)
  expect(server.paid('open').filter((it) => it.status === 200)).toHaveLength(1)
  const signed = server.seen.filter((it) => it.cumulative !== undefined).map((it) => it.cumulative)
  expect(new Set(signed).size).toBe(signed.length)
  // More than that a connection that broke can leave behind, a micro-dollar at a time.
  expect(signed.reduce((a = 0n, b = 0n) => (a > b ? a : b))).toBeLessThan(750_100n)
  expect((await server.channel(server.paid('open')[0]?.channel as string)).spent).toBe(750_000n)
  expect(programs.map((it) => it.stderr).join('')).toBe('')
})

test.each(['told open', 'signed', 'sent', 'told voucher'])(
  'a program that is killed when it has %s leaves a wallet that works',
  { timeout },
  async (dieAt) => {
    await using server = await paidServer(await chain(), {
      // Long enough to be killed while the answer is awaited.
      faults: { delayMs: (it) => (it.action && it.action !== 'proof' ? 400 : 0) },
    })
    const { dies, runs } = await wallet(server.url)
    if (dieAt === 'told voucher') await runs()
    await dies(dieAt)
    expect((await runs(2)).outcomes).toEqual([0, 1])
    const opened = server.paid('open').filter((it) => it.status === 200)
    expect(opened).toHaveLength(1)
    const { spent } = await server.channel(opened[0]?.channel as string)
    // Of the killed one nobody knows more than that it was sent.
    const sent = dieAt === 'sent' || dieAt === 'told voucher'
    expect(spent).toBe(sent ? 30_000n : 20_000n)
    // What nobody heard of counts as spent.
    expect((await runs()).totalUsd).toBe(dieAt === 'told voucher' ? '0.050000' : '0.040000')
  },
)

test('a record that is damaged is set aside; the session is found again, and limits wait for a person', {
  timeout,
}, async () => {
  await using server = await paidServer(await chain())
  const { runs, file } = await wallet(server.url)
  await runs()
  await truncate(file, 100)
  const after = await runs()
  expect(after.outcomes).toEqual(['spending_limit'])
  expect(after.stderr).toContain('set aside')
  expect((await runs()).outcomes).toEqual(['spending_limit'])
  await rm(file)
  expect((await runs()).outcomes).toEqual([0])
  expect(server.paid('open')).toHaveLength(1)
  const files = await readdir(join(file, '..'))
  expect(files.filter((it) => it.includes('damaged'))).toHaveLength(1)
})
