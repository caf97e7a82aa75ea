import { DurableObject } from 'cloudflare:workers'
import type { MiddlewareHandler } from 'hono'
import { Mppx, Store, tempo } from 'mppx/server'
import { createClient, http } from 'viem'
import { tempo as tempoChain } from 'viem/chains'

export interface Env {
  PRICE_USD: string
  PAYMENTS: DurableObjectNamespace<Payments>
  /** The address that gets the money. */
  PAYEE?: `0x${string}`
  /** Signs challenges: 32 characters or more. */
  MPP_SECRET?: string
  /** Of another network than Tempo's main one. */
  CHAIN_ID?: string
  RPC_URL?: string
  CURRENCY?: `0x${string}`
}

/** Answers 402 with a challenge, or goes on once it is paid, and puts the receipt on the answer. */
export const paid: MiddlewareHandler<{ Bindings: Env }> = async (c, next) => {
  const { PAYEE, MPP_SECRET, PRICE_USD } = c.env
  if (!PAYEE || !MPP_SECRET)
    return c.json({ error: 'Set PAYEE and MPP_SECRET with jack env, as README.md says.' }, 503)
  const charge = await mppxOf(c.env, PAYEE, MPP_SECRET).charge({ amount: PRICE_USD })(c.req.raw)
  if (charge.status === 402) return charge.challenge
  await next()
  c.res = charge.withReceipt(c.res)
}

function mppxOf(env: Env, recipient: `0x${string}`, secretKey: string) {
  const { CHAIN_ID, RPC_URL, CURRENCY } = env
  const chain = { ...tempoChain, ...(CHAIN_ID && { id: Number(CHAIN_ID) }) }
  const client = createClient({ chain, transport: http(RPC_URL) })
  const charge = tempo.charge({
    recipient,
    chainId: chain.id,
    getClient: () => client,
    store: storeOf(env.PAYMENTS.getByName('all')),
    ...(CURRENCY && { currency: CURRENCY }),
  })
  return Mppx.create({ methods: [charge], secretKey })
}

/** Remembers what was paid with, in one place for all copies of the app. */
export class Payments extends DurableObject {
  async get(key: string): Promise<string | null> {
    return (await this.ctx.storage.get<string>(key)) ?? null
  }

  /** Writes a value, or null for none, if there is still what was read. */
  async swap(key: string, read: string | null, value: string | null): Promise<boolean> {
    if ((await this.get(key)) !== read) return false
    await this.set(key, value)
    return true
  }

  async set(key: string, value: string | null): Promise<void> {
    if (value === null) await this.ctx.storage.delete(key)
    else await this.ctx.storage.put(key, value)
  }
}

const storeOf = (payments: DurableObjectStub<Payments>) =>
  Store.cloudflare({
    get: (key) => payments.get(key),
    put: (key, value) => payments.set(key, value),
    delete: (key) => payments.set(key, null),
    async update(key, change) {
      for (;;) {
        const read = await payments.get(key)
        const it = change(read)
        if (it.op === 'noop') return it.result
        if (await payments.swap(key, read, it.op === 'set' ? it.value : null)) return it.result
      }
    },
  })
