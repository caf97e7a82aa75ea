/**
 * A server that closes sessions, one after the other, and is killed while it does. Argument: an `Order` as JSON. Prints
 * "begin" before it begins.
 */
import { pino } from 'pino'
import { privateKeyToAccount } from 'viem/accounts'
import type { Jack } from '../jack.ts'
import { createPayments } from '../payments/mppx/index.ts'
import type { Payments } from '../payments/Payments.ts'
import type { Hex } from '../Session.ts'
import { type Connection, openDatabase } from '../store/database.ts'
import { closeSession } from '../verbs/close-session.ts'

export interface Order {
  connection: Connection
  chain: Payments['chain']
  operatorKey: Hex
  sessionIds: string[]
  /** Where it is killed; null leaves that to the parent. */
  dieAt: (typeof steps)[number] | null
}

/** The steps of a close, in their order. */
export const steps = [
  'it is frozen',
  'everything is given back',
  'the transaction is made',
  'the transaction is sent',
  'the chain has answered',
  'it is closed',
] as const

async function run({ connection, chain, operatorKey, sessionIds, dieAt }: Order): Promise<void> {
  const reached = (step: (typeof steps)[number]) => {
    if (step === dieAt) process.kill(process.pid, 'SIGKILL')
  }
  const { fetch } = globalThis
  globalThis.fetch = async (input, init) => {
    const isSent = String(init?.body).includes('eth_sendRawTransaction')
    if (isSent) reached('the transaction is made')
    const response = await fetch(input, init)
    if (isSent) reached('the transaction is sent')
    return response
  }
  const payments = createPayments(
    {
      ...chain,
      chainId: chain.id,
      operator: privateKeyToAccount(operatorKey),
      feePayer: null,
      secrets: ['a secret of at least 32 characters'],
      suggestedDepositMicroUsd: 0n,
    },
    { now: () => new Date(), sessionOf: async () => undefined },
  )
  const { close } = payments
  payments.close = async (...it) => {
    reached('everything is given back')
    const closing = await close(...it)
    reached('the chain has answered')
    return closing
  }
  const log = pino({ level: 'silent' })
  log.info = () => reached('it is closed')
  let count = 0
  const jack = {
    db: openDatabase({ connection, poolSize: 2 }),
    payments,
    log,
    captures: { flush() {} },
    recorder: { flush: async () => {} },
    closing: new AbortController().signal,
    now: () => new Date(),
    newId: () => {
      reached('it is frozen')
      return `run_${process.pid}_${count++}`
    },
  } as unknown as Jack
  process.stdout.write('begin\n')
  for (const sessionId of sessionIds) await closeSession(jack, sessionId, 'asked')
  await jack.db.destroy()
}

const [, program, order] = process.argv
if (program === import.meta.filename) await run(JSON.parse(order as string))
