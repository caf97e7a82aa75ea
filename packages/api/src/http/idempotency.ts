import { setTimeout as sleep } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { isPaymentProblem } from '../payments/problems.ts'
import { databaseGone } from '../store/database.ts'
import type { Claim } from '../store/idempotency.ts'
import * as idempotency from '../store/idempotency.ts'
import { payOnce } from '../verbs/pay-once.ts'
import { asJackError, problemOf } from './problem.ts'

export type Work = (claim: Claim) => Promise<Answer>

export interface Answer {
  status: number
  /** JSON text. */
  body: string
  /** `Payment-Receipt` of a wallet. */
  receipt?: string | null
}

/**
 * Does the work once for a key: the same request under the same key is answered with what was answered first, for 24
 * hours. What failed on our side, for lack of room or by its payment is not kept, so that it can be tried again.
 *
 * @param workId for what the work makes, should it make something
 * @param content digest of everything that makes two requests of one payer the same
 */
export async function once(
  jack: Jack,
  payer: Payer,
  key: string,
  content: string,
  workId: string,
  requestId: string,
  work: Work,
): Promise<Answer & { replayed: boolean }> {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new JackError(
      'invalid_request',
      'An Idempotency-Key has 1 to 255 visible ASCII characters.',
    )
  }
  // What a token may see of other projects is nothing, and of their answers neither.
  const fingerprint =
    payer.projectId === null ? content : jack.sha256(`${payer.projectId} ${content}`)
  const known = recent.get(`${payer.accountId} ${key}`)
  if (known?.fingerprint === fingerprint) return { ...known.answer, replayed: true }
  const begun = await idempotency.begin(jack.relaxedDb, payer.accountId, key, fingerprint, workId)
  if ('answer' in begun) {
    const { status, body, receipt } = begun.answer
    return { status, body: opened(jack, payer, key, body), receipt, replayed: true }
  }
  try {
    await payOnce(jack, payer, key)
    const answer = await work(begun.claim)
    keep(jack, payer, key, fingerprint, answer)
    return { ...answer, replayed: false }
  } catch (error) {
    const known = asJackError(error)
    if (databaseGone(error)) {
      void loseLater(jack, payer, key)
      throw error
    }
    const final =
      known.status < 500 && ![402, 409, 429].includes(known.status) && !isPaymentProblem(known)
    if (final) {
      const body = JSON.stringify(problemOf(known, requestId))
      keep(jack, payer, key, fingerprint, { status: known.status, body })
    } else {
      await idempotency.lose(jack.relaxedDb, payer.accountId, key)
    }
    throw error
  }
}

/** Answers of the last minute: a repeat that comes at once need not wait until the database has them. */
const recent = new LRUCache<string, { fingerprint: string; answer: Answer }>({
  maxSize: 32 * 1_048_576,
  sizeCalculation: ({ answer }) => answer.body.length * 2 + 500,
  ttl: 60_000,
})

function keep(jack: Jack, payer: Payer, key: string, fingerprint: string, answer: Answer): void {
  recent.set(`${payer.accountId} ${key}`, { fingerprint, answer })
  const body = sealedMark + jack.env.seal(context(payer, key), answer.body).toString('base64')
  jack.background.start(() =>
    idempotency.finish(jack.relaxedDb, payer.accountId, key, {
      status: answer.status,
      body,
      receipt: answer.receipt ?? null,
    }),
  )
}

/** Answers may hold secrets, such as a new token, so that they are kept sealed. JSON begins otherwise. */
const sealedMark = 'sealed:'

const opened = (jack: Jack, payer: Payer, key: string, body: string): string =>
  body.startsWith(sealedMark)
    ? jack.env.open(context(payer, key), Buffer.from(body.slice(sealedMark.length), 'base64'))
    : body

const context = (payer: Payer, key: string) => `answer/${payer.accountId}/${key}`

/** Nobody knows how far the work came: a repeat may find out, as soon as the database is back. */
async function loseLater(jack: Jack, payer: Payer, key: string): Promise<void> {
  for (let tries = 0; tries < 60 && !jack.closing.aborted; tries++) {
    try {
      return await idempotency.lose(jack.relaxedDb, payer.accountId, key)
    } catch {
      await sleep(1_000, undefined, { ref: false })
    }
  }
}
