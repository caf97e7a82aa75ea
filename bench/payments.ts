import { fileURLToPath } from 'node:url'
import { createJack, fileStore } from '@jackcloud/sdk/node'
import { Mppx, tempo } from 'mppx/client'
import { clientOf, newWallet } from './harness/chain.ts'
import { type Cloud, withCloud } from './harness/cloud.ts'
import { besides, inTurns, p50, p99, timed } from './harness/measure.ts'
import { end, firstLine, newFolder, start } from './harness/processes.ts'
import { snippet, snippetInput } from './harness/programs.ts'
import type { Measured, Question } from './harness/Question.ts'

const measureVouchers = fileURLToPath(
  new URL('../packages/api/src/testing/measureVouchers.ts', import.meta.url),
)
const mppxServer = fileURLToPath(new URL('beside/mppxServer.ts', import.meta.url))

export default {
  name: 'payments',
  asks: 'What does it cost to pay for each request, on the wire and in the server?',
  goals: {
    'paid-execute-p50': { unit: 'ms', atMost: 12 },
    'paid-execute-p99': { unit: 'ms' },
    'paid-execute-sdk-p50': { unit: 'ms', atMost: 12 },
    'paying-p50': { unit: 'ms', atMost: 6 },
    'paying-sdk-p50': { unit: 'ms', atMost: 6 },
    'open-session': { unit: 'ms', atMost: 150 },
    'voucher-durable-p50': { unit: 'ms', atMost: 1 },
    'voucher-durable-p99': { unit: 'ms' },
    'vouchers-per-core': { unit: '/s', atLeast: 1_000 },
    'vouchers-together': { unit: '/s' },
    'challenges-p50': { unit: 'ms', atMost: 0.3 },
  },
  run: async () => [...(await overHttp()), ...(await inside())],
} satisfies Question

/** From before the first request until the answer of the paid one is read, with everything that the client does between. */
const overHttp = (): Promise<Measured[]> =>
  withCloud({ JACK_CHAIN: 'local' }, async (cloud) => {
    const stock = start(process.execPath, [mppxServer, cloud.rpcUrl])
    try {
      const server = await firstLine(stock)
      const [mppx, sdk, beside] = [await payer(cloud), await sdkPayer(cloud), await payer(cloud)]
      const unpaid = createJack({ url: cloud.url, token: cloud.token })
      const plain = () =>
        post(fetch, `${cloud.url}/execute`, {
          authorization: `Bearer ${cloud.token}`,
          'idempotency-key': crypto.randomUUID(),
        })
      const samples = await inTurns(
        {
          paid: () => timed(() => post(mppx, `${cloud.url}/execute`)),
          unpaid: () => timed(plain),
          'stock mppx server': () => timed(() => post(beside, server)),
          'paid sdk': () => timed(() => sdk.execute(program())),
          'unpaid sdk': () => timed(() => unpaid.execute(program())),
          open: () => open(cloud),
        },
        {
          rounds: 30,
          perTurn: {
            paid: 12,
            unpaid: 12,
            'stock mppx server': 12,
            'paid sdk': 12,
            'unpaid sdk': 12,
            open: 1,
          },
          warmUp: 4,
        },
      )
      const others = besides(samples, ['stock mppx server'])
      const ratio = { 'stock mppx server': others['stock mppx server'] as number }
      return [
        {
          name: 'paid-execute-p50',
          value: p50(samples.paid),
          beside: { ...ratio, unpaid: p50(samples.unpaid) },
          extra: { n: samples.paid.length },
          note: 'mppx/client, of which the stock server does nothing but take the payment',
        },
        {
          name: 'paid-execute-p99',
          value: p99(samples.paid),
          beside: besides(samples, ['stock mppx server', 'unpaid'], p99),
        },
        {
          name: 'paid-execute-sdk-p50',
          value: p50(samples['paid sdk']),
          beside: { ...ratio, unpaid: p50(samples['unpaid sdk']) },
          extra: { n: samples['paid sdk'].length, p99: p99(samples['paid sdk']) },
          note: 'our own client, which keeps its wallet on disk',
        },
        {
          name: 'paying-p50',
          value: p50(samples.paid) - p50(samples.unpaid),
          note: 'paid less unpaid, with the client that signs on the same two cores',
        },
        { name: 'paying-sdk-p50', value: p50(samples['paid sdk']) - p50(samples['unpaid sdk']) },
        {
          name: 'open-session',
          value: p50(samples.open),
          extra: { n: samples.open.length, p99: p99(samples.open) },
          note: 'first call of a wallet that nobody knows: transaction, session, and the execution',
        },
      ]
    } finally {
      await end(stock)
    }
  })

type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** A new wallet with the stock client, whose session is opened by its first call. */
async function payer({ rpcUrl }: Cloud): Promise<Fetch> {
  const account = await newWallet(rpcUrl)
  const client = clientOf(rpcUrl, account)
  const session = tempo.session({ account, getClient: () => client, maxDeposit: '500' })
  const { fetch } = Mppx.create({ polyfill: false, methods: [session] })
  // Enough for all calls: a top-up in between would be another question.
  return (url, init) => fetch(url, { ...init, context: { depositRaw: '100000000' } })
}

async function sdkPayer({ url, rpcUrl }: Cloud) {
  const account = await newWallet(rpcUrl)
  const store = fileStore({ folder: newFolder() })
  return createJack({ url, account, rpcUrl, store })
}

async function open(cloud: Cloud): Promise<number> {
  const fetch = await payer(cloud)
  return timed(() => post(fetch, `${cloud.url}/execute`))
}

const program = () => ({ code: snippet(), input: snippetInput })

async function post(fetch: Fetch, url: string, headers = {}): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(program()),
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`POST ${url}: ${answer.status} ${text}`)
}

/** Measured inside of the server's own code: see the program that is started. */
async function inside(): Promise<Measured[]> {
  const child = start(process.execPath, ['--conditions=jack:src', measureVouchers, newFolder()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { latency, challenge, disk, rates, callers } = JSON.parse(await firstLine(child, 1)) as {
    latency: { ours: number[]; mppx: number[] }
    challenge: { ours: number[]; mppx: number[] }
    disk: number[]
    rates: { perSecond: number; nodeMs: number; postgresMs: number }[]
    callers: number
  }
  await end(child)
  const n = latency.ours.length
  const perCore = (cpuMs: number) => 1_000 / cpuMs
  const nodeMs = p50(rates.map((it) => it.nodeMs))
  const postgresMs = p50(rates.map((it) => it.postgresMs))
  const stock = { mppx: perCore(p50(latency.mppx)) }
  return [
    {
      name: 'voucher-durable-p50',
      value: p50(latency.ours),
      beside: { mppx: p50(latency.mppx), fdatasync: p50(disk) },
      extra: { n },
      note: 'header read and verified, accepted and reserved on disk; mppx keeps it in memory',
    },
    {
      name: 'voucher-durable-p99',
      value: p99(latency.ours),
      beside: { mppx: p99(latency.mppx), fdatasync: p99(disk) },
    },
    {
      name: 'vouchers-per-core',
      value: perCore(nodeMs + postgresMs),
      beside: stock,
      extra: { node_cpu_ms: nodeMs, postgres_cpu_ms: postgresMs },
      note: `the same and the capture, per second of CPU of server and database together, ${callers} sessions at once`,
    },
    {
      name: 'vouchers-together',
      value: p50(rates.map((it) => it.perSecond)),
      beside: stock,
      note: 'the same by the clock, on both cores',
    },
    {
      name: 'challenges-p50',
      value: p50(challenge.ours),
      beside: { mppx: p50(challenge.mppx) },
      extra: { n, p99: p99(challenge.ours) },
      note: 'both challenges of a 402',
    },
  ]
}
