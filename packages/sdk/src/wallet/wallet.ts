import type { Purchase, Purchasing } from '../fetch.ts'
import { toUsd } from '../wire/Usd.ts'
import type { Hex } from './Channel.ts'
import type { Payment, PaymentReceipt } from './Payment.ts'
import type { Purse } from './Purse.ts'
import { purchase } from './purchase.ts'
import { dayOf, parseLimits, parseUsd, type SpendingLimits, spentOn } from './Spending.ts'
import type { Signer, SignerOptions } from './signer.ts'
import { leaseMs, released, renewed } from './steps.ts'
import { damagedState, readState, type WalletState, writeState } from './WalletState.ts'
import { memoryStore, type WalletStore } from './WalletStore.ts'

export interface WalletOptions extends SignerOptions {
  /** The most that is spent without asking. Default: no limit. */
  spending?: SpendingLimits | undefined
  /** The most that may lie in one session without being signed for, in USD. Default: "10", or what a call costs. */
  maxDepositUsd?: string | undefined
  /** `session`: out of a session, with one transaction for many calls. `charge`: a transfer for each. Default: `auto`, whichever the server names first. */
  pay?: 'session' | 'charge' | 'auto' | undefined
  /** Told before anything is signed that costs something. Throws, or rejects, to refuse: the call then fails with that. */
  onPayment?: ((payment: Payment) => unknown) | undefined
  /** Told after each call that was paid for. What it throws is lost. */
  onReceipt?: ((receipt: PaymentReceipt) => unknown) | undefined
  /** Where sessions and what was spent are kept. Default: in memory; with `@jackcloud/sdk/node`, in a file. */
  store?: WalletStore | undefined
}

/** A session as this wallet remembers it. */
export interface WalletSession {
  sessionId: string
  /** The URL of the cloud. */
  cloud: string
  chainId: number
  recipient: string
  depositUsd: string
  /** The most that the payee can ever take. */
  signedUsd: string
  openedAt: string
}

export type Wallet = ReturnType<typeof createWallet>

/** It is big, and most calls are free. */
const loadSigner = async (options: WalletOptions): Promise<Signer> =>
  (await import('./signer.ts')).createSigner(options)

/** A wallet that pays what servers ask for, within its limits. */
export function createWallet(options: WalletOptions, load = loadSigner) {
  const { pay = 'auto', store = memoryStore() } = options
  let signer: Promise<Signer> | undefined

  const purse: Purse = {
    rules: {
      limits: parseLimits(options.spending),
      maxDepositMicroUsd: parseUsd('maxDepositUsd', options.maxDepositUsd),
    },
    pays: (kind) => pay === 'auto' || pay === kind,
    signer() {
      signer ??= load(options)
      return signer
    },
    async update(change) {
      const { address } = await purse.signer()
      for (;;) {
        const outcome = await store.update(address.toLowerCase(), (text) => {
          const now = Date.now()
          const state = readState(text)
          if (!state) return { text: writeState(damagedState(now)), result: undefined }
          const [next, result] = change(state, now)
          return { ...(next !== state && { text: writeState(next) }), result: { result } }
        })
        if (outcome) return outcome.result
      }
    },
    change: (change) => purse.update((state, now) => [change(state, now), undefined]),
    lease(key) {
      const holder = crypto.randomUUID()
      let timer: ReturnType<typeof setInterval> | undefined
      const renew = () => {
        purse.change((state, now) => renewed(state, key, { holder, now })).catch(() => {})
      }
      return {
        holder,
        hold() {
          timer ??= setInterval(renew, leaseMs / 3)
        },
        async letGo() {
          if (timer === undefined) return
          clearInterval(timer)
          timer = undefined
          await purse.change((state) => released(state, key, holder))
        },
      }
    },
    onPayment: (payment) => options.onPayment?.(payment),
    onReceipt(receipt) {
      // The call has succeeded, whatever becomes of telling so.
      void (async () => options.onReceipt?.(receipt))().catch(() => {})
    },
  }

  const look = <T>(at: (state: WalletState, now: number) => T): Promise<T> =>
    purse.update((state, now) => [state, at(state, now)])

  return {
    purchase: (request: Purchasing): Purchase => purchase(purse, request),

    address: async (): Promise<Hex> => (await purse.signer()).address,

    /** What was spent today in UTC, and ever. */
    spent: (): Promise<{ todayUsd: string; totalUsd: string }> =>
      look(({ spending }, now) => ({
        todayUsd: toUsd(spentOn(spending, dayOf(now))),
        totalUsd: toUsd(spending.totalMicroUsd),
      })),

    sessions: (): Promise<WalletSession[]> =>
      look(({ channels }) =>
        Object.entries(channels).map(([key, it]) => ({
          sessionId: it.id,
          cloud: key.split(' ')[0] as string,
          chainId: it.chainId,
          recipient: it.descriptor.payee,
          depositUsd: toUsd(it.depositMicroUsd),
          signedUsd: toUsd(it.signedMicroUsd),
          openedAt: it.openedAt,
        })),
      ),
  }
}
