import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Credential, Errors } from 'mppx'
import { Mppx, Request as NodeRequest, Store, tempo } from 'mppx/server'
import { Session } from 'mppx/tempo'
import type { Localnet } from '../localnet/startLocalnet.ts'
import { balanceOf, clientOf, newWallet } from '../localnet/testing.ts'

/** What was asked, as the server saw it. */
export interface Seen {
  method: string
  path: string
  key: string | undefined
  /** open, voucher, topUp, close, charge or proof. */
  action?: string
  cumulative?: bigint
  channel?: string
  challengeId?: string
  status?: number
}

export interface Faults {
  /** Closes the connection instead of answering, after the request was worked on ("after") or before. */
  hangUp?(seen: Seen, count: number): 'before' | 'after' | undefined
  /** What the work answers. Default: 200 and what was charged. */
  work?(seen: Seen): Response | undefined
  /** How long an answer takes, when the work is done. */
  delayMs?(seen: Seen): number
  /** Answers 402 with new challenges after it took the money. */
  refuseAfter?(seen: Seen): boolean
}

/**
 * A server that sells by the stock protocol library, with what Jack's server adds: one challenge pays for one request,
 * vouchers may come out of order, an Idempotency-Key gets its stored answer, cold clients are told of their session.
 * It exists for what a real one would not show on demand.
 */
export async function paidServer(
  chain: Localnet,
  options: {
    faults?: Faults
    suggestedDeposit?: string
    offers?: ('session' | 'charge')[]
    realm?: string
  } = {},
) {
  const payee = await newWallet(chain, 5_000_000n)
  const client = clientOf(chain, payee)
  const store = Store.memory()
  const channels = channelStore(store)
  const sessions = new Map<string, `0x${string}`>()
  const common = {
    account: payee,
    currency: chain.token,
    recipient: payee.address,
    chainId: chain.chainId,
    getClient: () => client,
    store,
  }
  const session = tempo.session({
    ...common,
    unitType: 'call',
    suggestedDeposit: options.suggestedDeposit ?? '5',
    bootstrap: true,
    resolveChannelId: ({ source }) => sessions.get(source?.split(':').at(-1)?.toLowerCase() ?? ''),
  })
  acceptOutOfOrder(session, store, sessions)
  const mppx = Mppx.create({
    secretKey: 'a secret of tests that is long enough',
    realm: options.realm ?? '127.0.0.1',
    methods: [tempo.charge(common), session],
  })

  const prices: Record<string, { session: string; charge: string }> = {
    '/execute': { session: '0.01', charge: '0.01' },
    '/deploy': { session: '0.05', charge: '0.10' },
    '/v1/balance': { session: '1', charge: '1' },
  }
  const offered = options.offers ?? ['session', 'charge']
  const kept = new Map<string, Response>()
  const seen: Seen[] = []

  async function answer(request: Request, it: Seen): Promise<Response> {
    const price =
      it.path === '/v1/balance' && it.method === 'POST' ? await amountOf(request) : prices[it.path]
    if (!price) {
      const proof = await mppx.charge({ amount: '0', scope: `${it.method} ${it.path}` })(request)
      return proof.status === 402 ? proof.challenge : Response.json({ account_id: 'acc_1' })
    }
    const scope = `POST ${it.path}`
    if (it.method === 'HEAD') {
      const asked = await mppx.session({ amount: price.session, scope })(request)
      return asked.status === 402 ? asked.challenge : asked.withReceipt(new Response(null))
    }
    const body = await request.clone().text()
    const name = `${it.key} ${it.path} ${body}`
    const before = kept.get(name)
    if (before && it.action) return before.clone()
    const offers = {
      session: ['tempo/session', { amount: price.session, scope }],
      charge: ['tempo/charge', { amount: price.charge, scope }],
    } as const
    const paid = await mppx.compose(...offered.map((kind) => offers[kind]))(request)
    if (paid.status === 402) return paid.challenge
    if (options.faults?.refuseAfter?.(it)) {
      const bare = new Request(request.url, { method: 'POST', body })
      const again = await mppx.compose(...offered.map((kind) => offers[kind]))(bare)
      if (again.status === 402) return again.challenge
    }
    const charged = it.action === 'charge' ? price.charge : price.session
    const work =
      options.faults?.work?.(it) ??
      Response.json({ result: JSON.parse(body || '{}').input ?? null, charged_usd: usd(charged) })
    await giveBack(work, BigInt(Math.round(Number(charged) * 1e6)), it.channel)
    const answered = work.ok ? paid.withReceipt(work) : work
    if (body) kept.set(name, answered.clone())
    return answered
  }

  /** What was not charged was not spent. */
  async function giveBack(work: Response, microUsd: bigint, channel: string | undefined) {
    const { charged_usd = '0' } = (await work.clone().json()) as { charged_usd?: string }
    const rest = microUsd - BigInt(Math.round(Number(charged_usd) * 1e6))
    if (!channel || rest === 0n) return
    await channels.updateChannel(channel as `0x${string}`, (now) => ({
      ...now,
      spent: now.spent - rest,
    }))
  }

  const counts = new Map<string, number>()
  const listener = NodeRequest.toNodeListener(async (request) => {
    const it = read(request)
    seen.push(it)
    const response = await answer(request, it)
    it.status = response.status
    await sleep(options.faults?.delayMs?.(it) ?? 0)
    return response
  })
  const server = createServer((req, res) => {
    const it = read(req)
    const name = `${it.method} ${it.path} ${it.action}`
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    const hangUp = options.faults?.hangUp?.(it, count)
    if (hangUp === 'before') return req.socket.destroy()
    if (hangUp === 'after') {
      const { write, end, writeHead } = res
      void [write, end, writeHead]
      res.writeHead = () => res
      res.write = () => true
      res.end = ((..._: unknown[]) => {
        req.socket.destroy()
        return res
      }) as typeof res.end
    }
    listener(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    payee: payee.address,
    seen,
    store,
    /** Requests that carried a credential of one kind. */
    paid: (action: string) => seen.filter((it) => it.action === action),
    income: () => balanceOf(chain, payee.address),
    channel: (id: string) => channels.getChannel(id as `0x${string}`),
    /** Closes a channel as a server does by itself: takes what was spent. */
    async close(id: string) {
      const it = await channels.getChannel(id as `0x${string}`)
      const { Chain } = Session.Precompile
      await Chain.waitForSuccessfulReceipt(
        client,
        await Chain.closeOnChain(
          client,
          it.descriptor,
          it.highestVoucherAmount,
          it.spent,
          it.highestVoucher.signature,
          it.escrowContract,
          { account: payee, candidateFeeTokens: [it.token] },
        ),
      )
      await channels.updateChannel(it.channelId, (now: object) => ({
        ...now,
        finalized: true,
        deposit: 0n,
      }))
      sessions.delete(it.payer.toLowerCase())
    },
    /** Forgets everything, as a server does that lost its database. */
    forget(id: string) {
      sessions.clear()
      return store.delete(id.toLowerCase())
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await sleep(0)
    },
  }
}

async function amountOf(request: Request) {
  const body = await request.clone().text()
  const amount: string = body ? JSON.parse(body).amount_usd : '1'
  return { session: amount, charge: amount }
}

const usd = (amount: string): string => Number(amount).toFixed(6)

function read(request: Request | IncomingMessage): Seen {
  const header = (name: string) =>
    request instanceof Request
      ? (request.headers.get(name) ?? undefined)
      : (request.headers[name] as string | undefined)
  const it: Seen = {
    method: request.method ?? '',
    path: request instanceof Request ? new URL(request.url).pathname : (request.url ?? ''),
    key: header('idempotency-key'),
  }
  const authorization = header('authorization')
  if (!authorization?.startsWith('Payment ')) return it
  const { challenge, payload } = Credential.deserialize<{
    action?: string
    type?: string
    cumulativeAmount?: string
    channelId?: string
  }>(authorization)
  it.challengeId = challenge.id
  it.action = payload.action ?? (payload.type === 'proof' ? 'proof' : 'charge')
  if (payload.channelId) it.channel = payload.channelId
  if (payload.cumulativeAmount) it.cumulative = BigInt(payload.cumulativeAmount)
  return it
}

// biome-ignore lint/suspicious/noExplicitAny: the library exports no types for its channel store
const channelStore = (store: any) => ({
  getChannel: (id: `0x${string}`) => store.get(id.toLowerCase()),
  // biome-ignore lint/suspicious/noExplicitAny: as above
  updateChannel: (id: `0x${string}`, change: (channel: any) => any) =>
    // biome-ignore lint/suspicious/noExplicitAny: as above
    store.update(id.toLowerCase(), (now: any) => {
      const next = change(now)
      return next ? { op: 'set', value: next, result: next } : { op: 'delete', result: null }
    }),
  // biome-ignore lint/suspicious/noExplicitAny: as above
  updateChannelResult: (id: string, change: any) => store.update(id.toLowerCase(), change),
})

/** Jack's rule: a voucher pays when the highest one covers what is spent and the price. */
// biome-ignore lint/suspicious/noExplicitAny: the hooks of the library are not typed for outsiders
function acceptOutOfOrder(session: any, store: any, sessions: Map<string, `0x${string}`>): void {
  const { validate, broadcast } = session
  const channels = channelStore(store)
  const behind = (error: unknown) =>
    error instanceof Error && error.message.includes('strictly greater')
  // biome-ignore lint/suspicious/noExplicitAny: as above
  session.validate = async (it: any) => {
    try {
      return await validate(it)
    } catch (error) {
      if (!behind(error)) throw error
      return { ...it, details: {}, intent: 'session', method: 'tempo' }
    }
  }
  // biome-ignore lint/suspicious/noExplicitAny: as above
  session.broadcast = async (it: any) => {
    const { payload, challenge } = it.credential
    const request = it.envelope?.capturedRequest
    const billable = request && request.method !== 'HEAD' && request.hasBody
    if (billable && !(await claim(store, challenge))) {
      throw new Errors.VerificationFailedError({ reason: 'challenge already used' })
    }
    // biome-ignore lint/suspicious/noExplicitAny: as above
    let receipt: any
    try {
      receipt = await broadcast({ ...it, envelope: undefined })
    } catch (error) {
      if (!behind(error)) throw error
      const now = await channels.getChannel(payload.channelId)
      receipt = {
        method: 'tempo',
        intent: 'session',
        status: 'success',
        timestamp: new Date().toISOString(),
        reference: payload.channelId,
        challengeId: challenge.id,
        channelId: payload.channelId,
        acceptedCumulative: String(now.highestVoucherAmount),
        spent: String(now.spent),
      }
    }
    if (payload.action === 'open') {
      sessions.set(payload.descriptor.payer.toLowerCase(), payload.channelId)
    }
    if (!billable || !['open', 'voucher'].includes(payload.action)) return receipt
    const charged = await tempo.session.charge(
      channels as never,
      payload.channelId,
      BigInt(challenge.request.amount),
    )
    return { ...receipt, spent: String(charged.spent) }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const claim = (store: any, challenge: { id: string; expires?: string }): Promise<boolean> =>
  store.update(`used:${challenge.id}`, (used: unknown) =>
    used ? { op: 'noop', result: false } : { op: 'set', value: { used: true }, result: true },
  )
