/**
 * A process that measures what a voucher costs a server, from the header of a request until its work is paid for: ours in
 * a real database (argv: an empty folder for it), and in turns a stock server of mppx, whose store is its memory. Prints
 * one line of JSON.
 */
import { createHash, randomBytes } from 'node:crypto'
import { fdatasyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { Challenge, Credential } from 'mppx'
import { tempo as wallets } from 'mppx/client'
import { Mppx, Store, tempo } from 'mppx/server'
import { Session as Tempo } from 'mppx/tempo'
import { createClient, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoLocalnet } from 'viem/chains'
import { startLocalnet } from '../payments/localnet/startLocalnet.ts'
import { createPayments } from '../payments/mppx/index.ts'
import type { Offer } from '../payments/Payments.ts'
import type { Hex } from '../Session.ts'
import { Background } from '../store/background.ts'
import { Captures } from '../store/captures.ts'
import { openDatabase } from '../store/database.ts'
import { startEmbedded } from '../store/embedded/startEmbedded.ts'
import { migrate } from '../store/migrate.ts'
import * as sessions from '../store/sessions.ts'
import { Vouchers } from '../store/vouchers.ts'
import { Wallets } from '../store/wallets.ts'

const rounds = 40
const perTurn = 10
/** Sessions that pay at the same time. */
const callers = 16
const vouchersPerTurn = 2_000
const priceMicroUsd = 10_000n

const folder = process.argv[2] as string
const quiet = { info: () => {}, warn: () => {} }
const secret = randomBytes(32).toString('base64url')
const account = () => privateKeyToAccount(generatePrivateKey())
const lower = (it: string) => it.toLowerCase() as Hex
const hex = (size: number): Hex => `0x${randomBytes(size).toString('hex')}`
const offer: Offer = {
  scope: 'POST /execute',
  realm: '127.0.0.1',
  bodySha256: createHash('sha256').update('a program').digest('base64'),
  sessionMicroUsd: priceMicroUsd,
  chargeMicroUsd: priceMicroUsd,
}

const chain = await startLocalnet()
mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 })
const embedded = await startEmbedded({ dataDir: join(folder, 'data'), logger: quiet })
const db = openDatabase({ connection: embedded.connection })
const background = new Background((error) => {
  throw error
})
const captures = new Captures(db, background)
const vouchers = new Vouchers(db)
try {
  await migrate(db)
  const us = await ourServer()
  const them = await stockServer()
  const latency = { ours: [] as number[], mppx: [] as number[] }
  const challenge = { ours: [] as number[], mppx: [] as number[] }
  const disk: number[] = []
  const file = openSync(join(folder, 'file'), 'w')
  const one = await us.payer()
  for (let round = -4; round < rounds; round++) {
    for (let i = 0; i < perTurn; i++) {
      const asked = await timed(us.challenge)
      const header = await one()
      const paid = await timed(() => us.pay(header))
      if (round < 0) continue
      challenge.ours.push(asked)
      latency.ours.push(paid)
    }
    for (let i = 0; i < perTurn; i++) {
      const began = performance.now()
      writeSync(file, Buffer.alloc(8_192), 0, 8_192, 0)
      fdatasyncSync(file)
      const synced = performance.now() - began
      const asked = await timed(them.challenge)
      const header = await them.header()
      const paid = await timed(() => them.pay(header))
      if (round < 0) continue
      disk.push(synced)
      challenge.mppx.push(asked)
      latency.mppx.push(paid)
    }
  }
  const payers = await Promise.all(Array.from({ length: callers }, () => us.payer()))
  const rates: object[] = []
  for (let turn = -1; turn < 5; turn++) {
    const headers = await Promise.all(
      payers.map(async (header) => {
        const its: string[] = []
        for (let i = 0; i < vouchersPerTurn / callers; i++) its.push(await header())
        return its
      }),
    )
    const before = await cpuMs()
    const began = performance.now()
    await Promise.all(
      headers.map(async (its) => {
        for (const header of its) await us.pay(header)
      }),
    )
    await us.captured()
    const ms = performance.now() - began
    const after = await cpuMs()
    if (turn < 0) continue
    rates.push({
      perSecond: vouchersPerTurn / (ms / 1_000),
      nodeMs: (after.node - before.node) / vouchersPerTurn,
      postgresMs: (after.postgres - before.postgres) / vouchersPerTurn,
    })
  }
  process.stdout.write(`${JSON.stringify({ latency, challenge, disk, rates, callers })}\n`)
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
} finally {
  captures.flush()
  await background.drain()
  await db.destroy()
  await embedded.stop()
  await chain.stop()
}

/** What stands behind our doors, without HTTP. */
async function ourServer() {
  const operator = account()
  const config = {
    chainId: chain.chainId,
    rpcUrl: chain.rpcUrl,
    token: lower(chain.token),
    payee: lower(account().address),
    escrow: '0x4d50500000000000000000000000000000000000' as Hex,
    operator,
    feePayer: null,
    secrets: [secret] as const,
    suggestedDepositMicroUsd: 5_000_000n,
  }
  const wallets = new Wallets(db, {
    accountId: () => `acc_${randomBytes(8).toString('hex')}`,
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
  })
  const payments = createPayments(config, {
    now: () => new Date(),
    sessionOf: (channelId) => wallets.sessionOf(channelId),
  })
  return {
    challenge: async () => payments.challenges(offer),

    /** Answers what signs the next voucher of a new session, of which the database believes that the chain knows it. */
    async payer(): Promise<() => Promise<string>> {
      const wallet = account()
      const payer = lower(wallet.address)
      const descriptor = {
        payer,
        payee: config.payee,
        operator: lower(operator.address),
        token: config.token,
        salt: hex(32),
        authorizedSigner: payer,
        expiringNonceHash: hex(32),
      }
      const { accountId } = await wallets.accountOf(payer)
      const depositMicroUsd = 1_000_000_000_000n
      const session = await sessions.begin(
        db,
        {
          sessionId: `ses_${randomBytes(8).toString('hex')}`,
          channelId: hex(32),
          accountId,
          chainId: config.chainId,
          escrow: config.escrow,
          payer,
          signer: payer,
          descriptor,
          depositMicroUsd,
          authorizedMicroUsd: 0n,
          signature: hex(65),
        },
        new Date(),
      )
      await sessions.opened(db, session.channelId, { depositMicroUsd, openTx: null })
      const client = createClient({ account: wallet, transport: http(chain.rpcUrl) })
      let cumulativeAmount = 0n
      return async () => {
        cumulativeAmount += priceMicroUsd
        const { channelId, escrow, chainId } = session
        const signed = { channelId, cumulativeAmount }
        return Credential.serialize({
          challenge: Challenge.deserialize(payments.challenges(offer)[0] as string),
          source: `did:pkh:eip155:${chainId}:${wallet.address}`,
          payload: {
            action: 'voucher',
            channelId,
            descriptor,
            cumulativeAmount: cumulativeAmount.toString(),
            signature: await Tempo.Precompile.Voucher.signVoucher(
              client,
              wallet,
              signed,
              escrow,
              chainId,
            ),
          },
        })
      }
    },

    /** Verifies, accepts and reserves, on disk when it resolves; the capture follows with others. */
    async pay(header: string): Promise<void> {
      const it = await payments.read(header)
      if (it.kind !== 'voucher') throw new Error(`It is a ${it.kind}.`)
      const { accountId } = await wallets.accountOf(it.session.payer)
      const id = `exe_${randomBytes(10).toString('hex')}`
      const accepted = await vouchers.pay(it.voucher, {
        id,
        amountMicroUsd: priceMicroUsd,
        kind: 'execution',
        ref: id,
      })
      captures.add(id)
      const { channelId, challengeId } = it.voucher
      payments.receipt({ challengeId, session: { ...accepted, channelId } })
      if (!accountId) throw new Error('It is nobody.')
    },

    async captured() {
      captures.flush()
      await background.drain()
    },
  }
}

/** A server as people write it with mppx, without HTTP. */
async function stockServer() {
  const [payee, payer] = [account(), account()]
  await chain.faucet(payee.address)
  await chain.faucet(payer.address)
  const clientOf = (it: typeof payee) => {
    const client = createClient({
      account: it,
      chain: { ...tempoLocalnet, id: chain.chainId },
      transport: http(chain.rpcUrl),
      pollingInterval: 20,
    })
    return () => client
  }
  const common = {
    account: payee,
    currency: chain.token,
    recipient: payee.address,
    chainId: chain.chainId,
    getClient: clientOf(payee),
    store: Store.memory(),
  }
  const mppx = Mppx.create({
    secretKey: secret,
    realm: '127.0.0.1',
    methods: [
      tempo.charge(common),
      tempo.session({ ...common, unitType: 'request', suggestedDeposit: '100' }),
    ],
  })
  const price = { amount: '0.01', scope: 'execute' }
  const handle = mppx.compose(['tempo/session', price], ['tempo/charge', price])
  const ask = async () => {
    const answer = await handle(new Request('http://127.0.0.1/execute'))
    if (answer.status !== 402) throw new Error('It is free.')
    return answer.challenge
  }
  const method = wallets.session({
    account: payer,
    getClient: clientOf(payer),
    maxDeposit: '100',
  })
  const it = {
    challenge: ask,
    async header() {
      const [challenge] = Challenge.fromResponseList(await ask())
      return method.createCredential({ challenge: challenge as never, context: {} as never })
    },
    async pay(header: string) {
      const request = new Request('http://127.0.0.1/execute', {
        headers: { authorization: header },
      })
      const answer = await handle(request)
      if (answer.status !== 200) throw new Error('It does not pay.')
      answer.withReceipt(new Response('ok'))
    },
  }
  // Opens the channel.
  await it.pay(await it.header())
  return it
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** What this process and its database have used of the cores. Of the database it is 0 where there is no /proc. */
async function cpuMs(): Promise<{ node: number; postgres: number }> {
  const { user, system } = process.cpuUsage()
  const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity`.execute(db)
  const ticks = rows.map(({ pid }) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return Number(fields[11]) + Number(fields[12])
    } catch {
      return 0
    }
  })
  return {
    node: (user + system) / 1_000,
    postgres: ticks.reduce((sum, it) => sum + it, 0) * 10,
  }
}
