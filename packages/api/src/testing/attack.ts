import type { Logger } from 'pino'
import { afterAll, beforeAll, expect } from 'vitest'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import type { Session } from '../Session.ts'
import { findByAddress } from '../store/accounts.ts'
import * as ledger from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import * as sessions from '../store/sessions.ts'
import { type TestCloud, testCloud } from './cloud.ts'
import { type Asker, asker, type Handmade, type HandmadeChannel, handmade } from './handmade.ts'

/** A cloud on a chain, and wallets against it. Call it at the top of a file; the books are checked at its end. */
export function underAttack(env: Record<string, string> = {}, log?: Logger) {
  const chain = testChain()
  const it = {} as { cloud: TestCloud; http: Asker }
  beforeAll(async () => {
    const { rpcUrl } = await chain()
    it.cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl, ...env }, log)
    it.http = asker(it.cloud)
  })
  afterAll(async () => {
    await settled()
    expect(await audit(it.cloud.jack.db)).toEqual([])
    await it.http.close()
    await it.cloud.close()
  })

  /** Waits until everything that was delivered is captured. */
  async function settled(): Promise<void> {
    const { captures, background } = it.cloud.jack
    captures.flush()
    await background.drain()
  }

  const accountOf = ({ address }: Handmade) => findByAddress(it.cloud.jack.db, address)

  return {
    chain,
    settled,
    accountOf,
    get cloud() {
      return it.cloud
    },
    get http() {
      return it.http
    },

    async wallet(microUsd?: bigint): Promise<Handmade> {
      return handmade(await chain(), await newWallet(await chain(), microUsd))
    },

    /** What the account of a wallet has in its balance. */
    async credited(who: Handmade): Promise<bigint> {
      const account = await accountOf(who)
      if (!account) return 0n
      return (await ledger.balanceOf(it.cloud.jack.db, account.accountId)).availableMicroUsd
    },

    /** Opens a session with the first voucher for an execution, and runs it. */
    async open(who: Handmade, deposit?: bigint): Promise<HandmadeChannel> {
      let channel: HandmadeChannel | undefined
      const { status, text } = await it.http.pay(
        'POST',
        '/execute',
        program,
        async (challenges) => {
          channel = await who.channel(challenges.session, deposit === undefined ? {} : { deposit })
          return who.open(challenges.session, channel)
        },
      )
      if (status !== 200 || !channel) throw new Error(`Not opened: ${text}`)
      await settled()
      return channel
    },

    async session({ id }: Pick<HandmadeChannel, 'id'>): Promise<Session> {
      return (await sessions.findByChannel(it.cloud.jack.db, id)) as Session
    },
  }
}

export const program = { code: 'export const run = (n) => n * 2', input: 21 }

/** The names of answers' problems, or their statuses. */
export const outcomeOf = ({
  status,
  json,
}: {
  status: number
  json?: { type?: string }
}): string | number =>
  status < 400 ? status : (json?.type?.replace(/^.*problems?[/:]/, '') ?? status)
