import { z } from 'zod'
import { openBooks } from './books.ts'
import { type Finding, nowhere, type Place, same, Wrong, wrong } from './Finding.ts'
import { Receipt, ReceiptKey, Statement, signedText, thumbprintText } from './Receipt.ts'
import { toUsd } from './Usd.ts'

export type Verdict = { ok: true; totals: Totals } | { ok: false; finding: Finding }

export interface Totals {
  account_id: string
  receipts: number
  /** Times of the first and the last receipt; null without any. */
  from: string | null
  until: string | null
  /** For executions, deploys and runtime, less refunds. */
  spent_usd: string
  /** What each reason comes to; negative went out. */
  by_reason: Partial<Record<Receipt['reason'], string>>
  /** Spendable and held together. */
  balance_usd: string
  sessions: number
  /** Of all sessions together. */
  taken_usd: string
  /** Charges for runtime and deploys from before there were receipts: what they are made of is not known. */
  without_detail: number
  /** Keys that signed something of it. */
  key_ids: string[]
}

/**
 * Recomputes a whole bill without asking anybody: chain, hashes, signatures, prices, the arithmetic of runtime, refunds,
 * the balance and every session. Stops at the first thing that does not add up. That the keys are those of the cloud
 * is for the caller to know.
 *
 * @param bill JSON as `jack receipts export` wrote it; taken as data, whatever it is
 */
export async function verifyBill(bill: unknown): Promise<Verdict> {
  try {
    return { ok: true, totals: await recompute(bill) }
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, finding: error.finding }
    throw error
  }
}

/** A bill whose receipts and statement are not looked at yet. */
const Envelope = z.object({
  format: z.literal(1),
  statement: z.unknown(),
  receipts: z.array(z.unknown()),
  keys: z.array(ReceiptKey),
})

/** How many signatures are checked at once. */
const atOnce = 256

async function recompute(given: unknown): Promise<Totals> {
  const bill = parse(Envelope, given, nowhere)
  const statement = parse(Statement, bill.statement, nowhere)
  const keys = await importKeys(bill.keys)
  const books = openBooks(statement)
  const keyIds = new Set([statement.key_id])
  let first: Receipt | null = null
  let last: Receipt | null = null
  for (let i = 0; i < bill.receipts.length; i += atOnce) {
    const some = bill.receipts.slice(i, i + atOnce)
    const seals = await Promise.all(some.map((it) => readSeal(it, keys)))
    for (const [j, it] of some.entries()) {
      const position: number = i + j + 1
      const receipt: Receipt = parse(Receipt, it, { position, receipt_id: null })
      const place = { position, receipt_id: receipt.receipt_id }
      same('position', place, position, receipt.position)
      same('account', place, statement.account_id, receipt.account_id)
      same('chain', place, last?.hash ?? null, receipt.previous_hash)
      requireSeal(receipt, seals[j], place)
      books.enter(receipt, place)
      keyIds.add(receipt.key_id)
      first ??= receipt
      last = receipt
    }
  }
  same('statement', nowhere, last?.position ?? 0, statement.position)
  same('statement', nowhere, last?.hash ?? null, statement.last_hash)
  requireSeal(statement, await readSeal(bill.statement, keys), nowhere)
  const { balance, taken, spent, byReason, withoutDetail } = books.close()
  return {
    account_id: statement.account_id,
    receipts: bill.receipts.length,
    from: first?.at ?? null,
    until: last?.at ?? null,
    spent_usd: toUsd(spent),
    by_reason: Object.fromEntries(byReason.entries().map(([reason, sum]) => [reason, toUsd(sum)])),
    balance_usd: toUsd(balance),
    sessions: statement.sessions.length,
    taken_usd: toUsd(taken),
    without_detail: withoutDetail,
    key_ids: [...keyIds],
  }
}

function parse<T extends z.ZodType>(schema: T, it: unknown, place: Place): z.output<T> {
  const { data, error } = schema.safeParse(it)
  if (error) {
    const [issue] = error.issues
    wrong('fields', place, issue?.message ?? '', issue?.path.join('.') || 'something else')
  }
  return data as z.output<T>
}

async function importKeys(given: readonly ReceiptKey[]): Promise<Map<string, CryptoKey>> {
  const keys = new Map<string, CryptoKey>()
  for (const { kid, ...key } of given) {
    same('key', nowhere, toBase64Url(await sha256(thumbprintText(key))), kid)
    const imported = await crypto.subtle
      .importKey('jwk', key, 'Ed25519', false, ['verify'])
      .catch(() => wrong('key', nowhere, 'an Ed25519 key', kid))
    keys.set(kid, imported)
  }
  return keys
}

interface Seal {
  /** Of what is written. */
  hash: string
  /** Null without the key. */
  signed: boolean | null
}

async function readSeal(it: unknown, keys: ReadonlyMap<string, CryptoKey>): Promise<Seal> {
  const { key_id, signature } = (it ?? {}) as Record<string, unknown>
  const hash = await sha256(signedText(Object(it)))
  const key = keys.get(String(key_id))
  return {
    hash: Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    signed: key
      ? await crypto.subtle.verify('Ed25519', key, fromBase64(String(signature)), hash)
      : null,
  }
}

function requireSeal(it: Receipt | Statement, seal: Seal | undefined, place: Place): void {
  same('hash', place, seal?.hash ?? null, it.hash)
  if (seal?.signed == null) wrong('key', place, 'one of the keys', it.key_id)
  if (!seal.signed) wrong('signature', place, `a signature of ${it.key_id}`, 'another one')
}

const sha256 = async (text: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))

const toBase64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

/** Bytes that are no base64 are no signature either. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return new Uint8Array()
  }
}
