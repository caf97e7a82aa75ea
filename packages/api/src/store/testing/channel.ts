import { randomBytes } from 'node:crypto'
import type { Hex } from '../../Session.ts'
import type { Db } from '../database.ts'
import * as sessions from '../sessions.ts'
import { Wallets } from '../wallets.ts'

const random = (bytes: number) => randomBytes(bytes).toString('hex')

/** A new session of a new wallet, of which only the database knows. */
export async function newChannel(
  db: Db,
  depositMicroUsd = 1_000_000n,
): Promise<{ channelId: Hex; accountId: string }> {
  const payer: Hex = `0x${random(20)}`
  const wallets = new Wallets(db, { accountId: () => `acc_${random(8)}`, sha256: () => random(32) })
  const { accountId } = await wallets.accountOf(payer)
  const { channelId } = await sessions.begin(
    db,
    {
      sessionId: `ses_${random(8)}`,
      channelId: `0x${random(32)}`,
      accountId,
      chainId: 1337,
      escrow: `0x${random(20)}`,
      payer,
      signer: payer,
      descriptor: {} as never,
      depositMicroUsd,
      authorizedMicroUsd: 0n,
      signature: `0x${random(65)}`,
    },
    new Date(),
  )
  await sessions.opened(db, channelId, { depositMicroUsd, openTx: null })
  return { channelId, accountId }
}
