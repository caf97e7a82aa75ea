/**
 * A process that measures what it costs a server to know whom a token of OAuth stands for and whether it is good for what
 * is asked: of one that was used before, and of one that is looked up in a real database (argv: an empty folder for it).
 * Prints one line of JSON: milliseconds.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openDatabase } from '../store/database.ts'
import { startEmbedded } from '../store/embedded/startEmbedded.ts'
import { migrate } from '../store/migrate.ts'
import { PayerCache } from '../store/payerCache.ts'
import * as tokens from '../store/tokens.ts'

const count = 1_000
const folder = process.argv[2] as string
mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 })
const embedded = await startEmbedded({
  dataDir: join(folder, 'data'),
  logger: { info: () => {}, warn: () => {} },
})
const db = openDatabase({ connection: embedded.connection })
try {
  await migrate(db)
  await db
    .insertInto('account')
    .values({ account_id: 'acc_1', slug: 'one', kind: 'person' })
    .execute()
  const secrets = await Promise.all(Array.from({ length: count }, (_, i) => newToken(i)))
  const payers = new PayerCache(db)
  const check = async (secret: string): Promise<number> => {
    const now = new Date()
    const began = performance.now()
    const payer = await payers.find(secret, now, 'mcp')
    const ms = performance.now() - began
    if (!payer) throw new Error('This token is good.')
    return ms
  }
  const all = async () => {
    const samples: number[] = []
    for (const secret of secrets) samples.push(await check(secret))
    return samples
  }
  await all()
  payers.forget()
  const lookUp = await all()
  const known: number[] = []
  for (let i = 0; i < 20; i++) known.push(...(await all()))
  process.stdout.write(`${JSON.stringify({ known, lookUp })}\n`)
} finally {
  await db.destroy()
  await embedded.stop()
}

async function newToken(i: number): Promise<string> {
  const secret = tokens.newSecret()
  await tokens.add(
    db,
    {
      tokenId: `tok_${i}`,
      accountId: 'acc_1',
      name: 'a program',
      scopes: ['read', 'execute', 'deploy'],
      projectId: null,
      dailyCapMicroUsd: 5_000_000n,
      expiresAt: new Date(Date.now() + 3_600_000),
      clientId: 'cli_1',
      resource: 'mcp',
    },
    secret,
  )
  return secret
}
