import { z } from 'zod'
import { ProjectName, Timestamp } from './Names.ts'
import { nextCursor, PageQuery } from './Page.ts'
import { Usd } from './Usd.ts'

/** What moves money: work that is delivered, what is given or paid in, and what goes back. */
export const reasons = [
  'execution',
  'deploy',
  'runtime',
  'grant',
  'fund',
  'refund',
  'withdrawal',
] as const
export const Reason = z.enum(reasons)
export type Reason = z.infer<typeof Reason>

const count = z.number().int().nonnegative()
/** 1 USD = 1,000,000,000 nano-USD. */
const NanoUsd = z.string().regex(/^\d{1,18}$/)
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/**
 * What a charge for runtime is made of. At list prices, in nano-USD: cost - included + carried_in - carried_out is
 * exactly what is charged.
 */
export const RuntimeDetail = z.object({
  requests: count,
  /** In microseconds. */
  cpu_us: count,
  rows_read: count,
  rows_written: count,
  /** Drawn from the runtime that deploys brought along. */
  included_nano_usd: NanoUsd,
  /** What the charge before left over. */
  carried_in_nano_usd: NanoUsd,
  /** What is left for the next charge: less than a millionth, or what the balance did not suffice for. */
  carried_out_nano_usd: NanoUsd,
  /**
   * The project came from another account since the charge before: what it had brought along, and used of that, is in the
   * receipts of that one.
   */
  moved: z.literal(true).optional(),
})

/** What a deploy brought along. */
export const DeployDetail = z.object({ included_usd: Usd })

/** By whom and over what something is signed: the hash is that of `signedText`, the signature is over its 32 bytes. */
const signed = {
  /** Of one of the keys at `/.well-known/jack-receipts`. */
  key_id: z.string(),
  hash: Sha256,
  /** Ed25519, in base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/),
}

/**
 * One event that moved money, as its account sees it. Receipts of an account are a chain, each naming the hash of the
 * one before. `balance` entries add up to the balance; what a session paid directly (`session`) adds up, with what it
 * added to balances less what went back, to what is taken of that session.
 */
export const Receipt = z.object({
  receipt_id: z.string(),
  account_id: z.string(),
  /** 1, 2, 3 ... without a gap. */
  position: z.number().int().positive(),
  at: Timestamp,
  reason: Reason,
  amount_usd: Usd,
  /** What the amount changed: the account's balance, or only a session. */
  of: z.enum(['balance', 'session']),
  /** What the account had after it, spendable and held; null when it left the balance alone. */
  balance_usd: Usd.nullable(),
  /** The session that it was paid from, or that it went back to; null for the balance. */
  session_id: z.string().nullable(),
  /** The execution, deployment, transaction or grant it belongs to. */
  ref: z.string().nullable(),
  /** The receipt that a refund gives back. */
  refund_of: z.string().nullable(),
  project_id: z.string().nullable(),
  /** Its name when the receipt was made; null when there was no such project any more. */
  project: ProjectName.nullable(),
  /** When that was used which it charges; null for everything but runtime. */
  period: z.object({ from: Timestamp, until: Timestamp }).nullable(),
  /** What was used, or brought along; null for everything but runtime and deploys, and for what is older than receipts. */
  detail: z.union([RuntimeDetail, DeployDetail]).nullable(),
  /** Null for the first. */
  previous_hash: Sha256.nullable(),
  ...signed,
})
export type Receipt = z.infer<typeof Receipt>

export const ReceiptQuery = PageQuery.extend({
  order: z.enum(['asc', 'desc']).default('desc').describe('`asc` is the order of the chain.'),
})
export const ReceiptPage = z.object({ receipts: z.array(Receipt), ...nextCursor })

/** How an account stands at one moment: what all of its receipts add up to. */
export const Statement = z.object({
  account_id: z.string(),
  /** Where the API answers that says so. */
  cloud: z.string(),
  at: Timestamp,
  /** Of the newest receipt, and its hash; 0 and null when there is none. */
  position: count,
  last_hash: Sha256.nullable(),
  /** Can be spent now. */
  balance_usd: Usd,
  held_usd: Usd,
  sessions: z.array(
    z.object({
      session_id: z.string(),
      /** On chain. */
      channel_id: z.string(),
      status: z.enum(['open', 'closing', 'closed']),
      deposit_usd: Usd,
      /** The highest voucher. */
      authorized_usd: Usd,
      /** Paid, and added to balances, less what went back. */
      taken_usd: Usd,
      /** How it ended on chain; null until then, and where it is not known. */
      close: z
        .object({ tx_hash: z.string().nullable(), captured_usd: Usd, refunded_usd: Usd })
        .nullable(),
    }),
  ),
  ...signed,
})
export type Statement = z.infer<typeof Statement>

/** A public key as a JWK (RFC 8037). `kid` is its thumbprint (RFC 7638). */
export const ReceiptKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  kid: z.string(),
})
export type ReceiptKey = z.infer<typeof ReceiptKey>

/** The key that signs now comes first. Those from before stay. */
export const ReceiptKeys = z.object({ keys: z.array(ReceiptKey) })

/** Everything that it takes to verify what an account paid, without asking anybody. Receipts from the first to the last. */
export const Bill = z.object({
  format: z.literal(1),
  statement: Statement,
  receipts: z.array(Receipt),
  keys: z.array(ReceiptKey),
})
export type Bill = z.infer<typeof Bill>

/**
 * What the hash of a receipt or a statement is made over: its JSON without `hash` and `signature`, names in order,
 * no white space (RFC 8785). In a shell: `jq -cjS 'del(.hash, .signature)'`.
 */
export function signedText(it: object): string {
  const { hash: _, signature: __, ...said } = it as Record<string, unknown>
  return canonical(said)
}

/** Throws a RangeError on a number that JSON has no word for. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${fields.map(([name, it]) => `${JSON.stringify(name)}:${canonical(it)}`).join(',')}}`
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new RangeError('not a number')
  return JSON.stringify(value)
}

/** What a key's thumbprint is made over. */
export const thumbprintText = ({ x }: Pick<ReceiptKey, 'x'>): string =>
  canonical({ crv: 'Ed25519', kty: 'OKP', x })
