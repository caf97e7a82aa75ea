import { JackError } from './JackError.ts'
import { statementsOf } from './wire/sql.ts'

const batchCharacters = 500_000
const batchStatements = 5_000

/**
 * Runs the statements of a text in batches, each a transaction. Others' own transactions are left out: a dump of
 * SQLite's has one around everything.
 */
export async function importSql(
  sql: string,
  run: (batch: { sql: string }[]) => Promise<unknown>,
): Promise<{ statements: number }> {
  const all = statementsOf(sql).filter((it) => !ofTransaction.test(it))
  let done = 0
  while (done < all.length) {
    // A row may come before the one that it refers to.
    const batch = [{ sql: 'pragma defer_foreign_keys = true' }]
    let length = 0
    for (const it of all.slice(done, done + batchStatements)) {
      if (length > 0 && length + it.length > batchCharacters) break
      length += it.length
      batch.push({ sql: it })
    }
    try {
      await run(batch)
    } catch (error) {
      if (error instanceof JackError && done > 0) error.fields.statements_done = done
      throw error
    }
    done += batch.length - 1
  }
  return { statements: all.length }
}

const ofTransaction = /^(begin|commit|end)(\s+(deferred|immediate|exclusive))?(\s+transaction)?$/i
