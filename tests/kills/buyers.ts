import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createJack, fileStore, type Jack, JackError, localFetch } from '@jackcloud/sdk/node'
import { Mppx, tempo } from 'mppx/client'
import { type Client, createClient, type Hex, http, type PrivateKeyAccount } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoLocalnet } from 'viem/chains'
import { Actions } from 'viem/tempo'
import type { MortalCloud } from './cloud.ts'
import type { Order } from './program.ts'
import { type Answer, answerTo, mayComeBack, priceOf, requestOf, type Work } from './work.ts'

/** Somebody who has a wallet and nothing else. Whether he buys as a client of Jack's, or of the protocol alone. */
export type Kind = 'wallet' | 'wallet that charges' | 'stock client' | 'program'

export interface Buyer {
  name: string
  kind: Kind
  how: 'session' | 'charge'
  account: PrivateKeyAccount
  /** Pays and asks, once. Rejects with `Lost` when nobody answered, or not yet. */
  ask(work: Work): Promise<Answer>
  /** Asks about what is the wallet's own. */
  jack: Jack
  bought: Bought[]
}

export interface Bought {
  work: Work
  answer: Answer
  microUsd: bigint
  /** In which life of the cloud it was answered. */
  life: number
}

/** The work is to be asked for again, under its key. */
export class Lost extends Error {}

/** A wallet with 1,000 USD. It asks the chain itself, past the gate of the server. */
export async function newBuyer(cloud: MortalCloud, name: string, kind: Kind): Promise<Buyer> {
  const key = generatePrivateKey()
  const account = privateKeyToAccount(key)
  await Actions.faucet.fundSync(chainOf(cloud, account), { account })
  const how = kind === 'wallet that charges' ? 'charge' : 'session'
  const folder = join(cloud.home.path, 'wallets', name)
  const store = fileStore({ folder })
  const client = (retries: number) =>
    createJack({
      url: cloud.ready.url,
      account,
      rpcUrl: cloud.chain.rpcUrl,
      store,
      pay: how,
      retries,
      fetch: (input, init) => localFetch(input, init).then((it) => heard(cloud, it)),
    })
  const [jack, patient] = [client(1), client(6)]
  const ask = {
    wallet: () => bySdk(jack, patient),
    'wallet that charges': () => bySdk(jack, patient),
    'stock client': () => byStockClient(cloud, account),
    program: () => byProgram(cloud, key, folder),
  }[kind]()
  return { name, kind, how, account, ask, jack, bought: [] }
}

/** Buys, until there is an answer. */
export async function buy(cloud: MortalCloud, buyer: Buyer, work: Work): Promise<Bought> {
  for (let tries = 1; ; tries++) {
    await cloud.alive()
    const { lives } = cloud
    try {
      const answer = await buyer.ask(work)
      const bought = { work, answer, microUsd: priceOf(work, buyer.how), life: lives }
      buyer.bought.push(bought)
      return bought
    } catch (error) {
      if (!(error instanceof Lost) || tries > 200)
        throw new Error(`${buyer.name} could not ${work.what}`, { cause: error })
      await sleep(50 + Math.random() * 100)
    }
  }
}

/** By turns, so that the same credential meets the next life of the cloud, or another one does. */
function bySdk(...clients: Jack[]) {
  let count = 0
  return async (work: Work) => {
    const jack = clients[count++ % clients.length] as Jack
    const { body } = requestOf(work)
    const call = { execute: jack.execute, deploy: jack.deploy, fund: jack.addBalance }[work.what]
    try {
      return answerTo(work, await call(body as never, { idempotencyKey: work.key }))
    } catch (error) {
      throw lostOr(error)
    }
  }
}

export const lostOr = (error: unknown): unknown =>
  error instanceof JackError && mayComeBack(error)
    ? new Lost(error.message, { cause: error })
    : error

/** The unmodified client of mppx, which remembers its session for as long as that is good for something. */
function byStockClient(cloud: MortalCloud, account: PrivateKeyAccount) {
  const client = chainOf(cloud, account)
  const newClient = () =>
    Mppx.create({
      polyfill: false,
      methods: [tempo.session({ account, getClient: () => client as never, maxDeposit: '100' })],
    })
  let mppx = newClient()
  return async (work: Work) => {
    const { path, body } = requestOf(work)
    const headers = { 'content-type': 'application/json', 'idempotency-key': work.key }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await mppx
      .fetch(`${cloud.ready.url}${path}`, init)
      .then((it) => heard(cloud, it))
      .catch((error) => {
        throw isBroken(error) ? new Lost('Nobody answered.', { cause: error }) : error
      })
    const said = await response.json()
    if (response.ok) return answerTo(work, said)
    // It never lets go of a session that is closed.
    if (response.status === 410) mppx = newClient()
    const isLost = [402, 409, 410, 503].includes(response.status)
    throw new (isLost ? Lost : Error)(`${response.status} ${JSON.stringify(said)}`)
  }
}

function isBroken(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause)
    if (/fetch failed|terminated|ECONN/.test(at.message)) return true
  return false
}

/** A program that buys one thing and ends, or ends before. */
function byProgram(cloud: MortalCloud, key: Hex, folder: string) {
  const file = fileURLToPath(new URL('./program.ts', import.meta.url))
  const moments = ['signed', 'sent', 'answered', null, null, null] as const
  let count = 0
  return async (work: Work) => {
    const order: Order = {
      url: cloud.ready.url,
      rpcUrl: cloud.chain.rpcUrl,
      key,
      folder,
      work,
      dieAt: moments[count++ % moments.length] ?? null,
    }
    const child = spawn(process.execPath, ['--conditions=jack:src', file, JSON.stringify(order)])
    const [said, wrong, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    if (code === 0) return answerTo(work, JSON.parse(said))
    throw signal || code === 75 ? new Lost(signal ?? wrong) : new Error(wrong)
  }
}

/** An answer comes to a client, or the cloud dies at that. */
async function heard(cloud: MortalCloud, response: Response): Promise<Response> {
  if (response.status >= 500 && response.headers.has('www-authenticate'))
    throw new Error('Nobody knows what was paid, and yet the cloud asks to be paid again.')
  if (!response.ok || !cloud.trap.waitsFor('answer')) return response
  const { status, headers } = response
  const said = status === 204 ? null : await response.arrayBuffer()
  const caught = cloud.trap.catches('answer', `POST ${new URL(response.url).pathname}`)
  caught?.spring()
  if (caught?.side === 'before') throw new TypeError('fetch failed')
  return new Response(said, { status, headers })
}

export const chainOf = ({ chain }: MortalCloud, account: PrivateKeyAccount): Client =>
  createClient({
    account,
    chain: { ...tempoLocalnet, id: chain.chainId },
    transport: http(chain.rpcUrl),
    pollingInterval: 50,
  })
