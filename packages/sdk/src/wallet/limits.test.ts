import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Outcome, Purchase } from '../fetch.ts'
import { JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import type { Channel, Hex } from './Channel.ts'
import type { Offer } from './Offer.ts'
import type { Signer } from './signer.ts'
import { memoryStore, type WalletStore } from './WalletStore.ts'
import { createWallet } from './wallet.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }))
afterEach(() => vi.useRealTimers())

/** Everything that a wallet signed, and what a payee could take with it who keeps to no rule but the chain's. */
class World {
  readonly deposits = new Map<string, bigint>()
  readonly signed = new Map<string, bigint>()
  readonly vouchers: string[] = []
  charged = 0n

  get takeable(): bigint {
    let sum = this.charged
    for (const [id, signed] of this.signed) {
      const deposit = this.deposits.get(id) ?? 0n
      sum += signed < deposit ? signed : deposit
    }
    return sum
  }

  sign(id: string, microUsd: bigint): string {
    this.vouchers.push(`${id} ${microUsd}`)
    const before = this.signed.get(id) ?? 0n
    this.signed.set(id, before > microUsd ? before : microUsd)
    return `${id} ${microUsd}`
  }

  /** Signs without a key. What is asked comes in a header. */
  signer(): Signer {
    return {
      address: '0xa',
      headerOf: () => 'authorization',
      offers: (headers: Headers) =>
        (
          JSON.parse(headers.get('www-authenticate') ?? '[]') as {
            kind: Offer['kind']
            usd: number
          }[]
        ).map(({ kind, usd }) => offer(kind, BigInt(usd))),
      prove: async () => 'proof',
      charge: async ({ priceMicroUsd }: Offer) => {
        this.charged += priceMicroUsd
        return 'charge'
      },
      affordable: async (_: Offer, microUsd: bigint) => microUsd,
      open: async ({ priceMicroUsd }: Offer, deposit: bigint) => {
        const id: Hex = `0x${this.deposits.size}`
        this.deposits.set(id, deposit)
        this.sign(id, priceMicroUsd)
        return { credential: 'open', channel: channel(id, deposit, priceMicroUsd) }
      },
      voucher: async (_: Offer, { id, signedMicroUsd }: Channel) => this.sign(id, signedMicroUsd),
      topUp: async (_: Offer, { id }: Channel, microUsd: bigint) => {
        this.deposits.set(id, (this.deposits.get(id) ?? 0n) + microUsd)
        return { credential: 'topUp', transaction: '0x' as Hex }
      },
      stateOf: async ({ id }: Pick<Channel, 'id'>) => {
        const deposit = this.deposits.get(id) ?? 0n
        return { deposit, usable: deposit > 0n }
      },
      remembered: async () => undefined,
    }
  }
}

const offer = (kind: Offer['kind'], priceMicroUsd: bigint): Offer => ({
  kind,
  priceMicroUsd,
  challenge: {} as Offer['challenge'],
  chainId: 1,
  recipient: '0xb',
  token: '0xc',
  escrow: '0xd',
  feePayer: false,
  suggestedDepositMicroUsd: 100n,
})

const channel = (id: Hex, depositMicroUsd: bigint, signedMicroUsd: bigint): Channel => ({
  id,
  descriptor: {} as Channel['descriptor'],
  chainId: 1,
  escrow: '0xd',
  depositMicroUsd,
  signedMicroUsd,
  freeMicroUsd: 0n,
  openedAt: '',
  confirmed: false,
})

/** What a server may answer to a payment, true or not. */
const answers = [
  'took it',
  'took nothing',
  'failed',
  'refused',
  'insufficient',
  'gone',
  'lost',
] as const
type Answer = (typeof answers)[number]

function outcomeOf(answer: Answer, ask: string): Outcome {
  const problem = (status: number, type: string): Outcome => ({
    error: new JackError('payment_required', 'no', {
      status,
      fields: { type: `https://paymentauth.org/problems/${type}` },
    }),
    response: new Response('{}', {
      status,
      headers: { 'content-type': 'application/problem+json', 'www-authenticate': ask },
    }),
  })
  switch (answer) {
    case 'took it':
      return { value: {}, response: new Response('{}') }
    case 'took nothing':
      return { value: { charged_usd: '0.000000' }, response: new Response('{}') }
    case 'failed':
      return problem(502, 'x')
    case 'refused':
      return problem(402, 'verification-failed')
    case 'insufficient':
      return problem(402, 'session/insufficient-balance')
    case 'gone':
      return problem(410, 'session/channel-finalized')
    case 'lost':
      return { error: new JackError('network', 'lost') }
  }
}

interface Call {
  kind: 'session' | 'charge'
  priceMicroUsd: number
  answers: Answer[]
}

const call: fc.Arbitrary<Call> = fc.record({
  kind: fc.constantFrom('session', 'session', 'charge'),
  priceMicroUsd: fc.integer({ min: 1, max: 20 }),
  answers: fc.array(fc.constantFrom(...answers), { minLength: 5, maxLength: 5 }),
})

/** One call as the client makes it, with a server that answers what it likes. */
async function make(
  wallet: { purchase: ReturnType<typeof createWallet>['purchase'] },
  { kind, priceMicroUsd, answers }: Call,
  turn: () => Promise<unknown>,
): Promise<void> {
  const ask = JSON.stringify([{ kind, usd: priceMicroUsd }])
  const purchase: Purchase = wallet.purchase({
    resource: 'POST /execute',
    cloud: 'http://cloud',
    host: 'cloud',
    send: async (method) => {
      await turn()
      return new Response(null, { status: method === 'HEAD' ? 404 : 204 })
    },
    pause: async () => void (await turn()),
  })
  let outcome = outcomeOf('refused', ask)
  try {
    for (const answer of answers) {
      await turn()
      if (!(await purchase.heard(outcome))) return
      outcome = outcomeOf(answer, ask)
    }
  } catch (error) {
    // A limit, or what a server answered.
    if (!(error instanceof JackError)) throw error
  } finally {
    await purchase.abandon()
  }
}

test('however calls interleave and servers lie, what can be taken stays within the limits', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(call, { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 10, max: 60 }),
      fc.constantFrom('perDayUsd', 'totalUsd'),
      async (scheduler, calls, limit, name) => {
        vi.setSystemTime('2031-05-01T12:00:00Z')
        const world = new World()
        const kept = memoryStore()
        const turn = () => scheduler.schedule(Promise.resolve())
        const store: WalletStore = {
          update: async (wallet, change) => {
            await turn()
            return kept.update(wallet, change)
          },
        }
        // Two programs with one wallet.
        const options = {
          account: { privateKey: '0x' } as const,
          store,
          spending: { [name]: toUsd(BigInt(limit)) },
        }
        const programs = [1, 2].map(() => createWallet(options, async () => world.signer()))
        const made = calls.map((it, n) => make(programs[n % 2] as (typeof programs)[0], it, turn))
        await scheduler.waitFor(Promise.all(made))
        // A voucher is one micro-dollar above the one before, also when it is paid for by what was given back.
        expect(world.takeable).toBeLessThanOrEqual(BigInt(limit + world.vouchers.length))
        expect(new Set(world.vouchers).size).toBe(world.vouchers.length)
      },
    ),
    { numRuns: 1_000 },
  )
})
