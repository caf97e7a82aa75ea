/**
 * A process that pays for executions by their ids (argv: connection, account, number of ids, first id), many at once,
 * and prints an id when its payment is acknowledged. What fails is sent again with the same id.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../database.ts'
import * as ledger from '../ledger.ts'

const [connection, accountId, count, first] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
]
const db = openDatabase({ connection: JSON.parse(connection), poolSize: 8 })
let next = 0
const pay = async () => {
  while (next < Number(count)) {
    const number = (Number(first) + next++) % Number(count)
    const id = `exe_${number}`
    for (;;) {
      try {
        if (number % 2) {
          await ledger.reserve(db, { id, accountId, amountMicroUsd: 15n, kind: 'execution' })
          await ledger.capture(db, { id, amountMicroUsd: 10n })
        } else await ledger.charge(db, { id, accountId, amountMicroUsd: 10n, kind: 'execution' })
        break
      } catch (error) {
        if (error instanceof RangeError || (error as Error).name === 'JackError') throw error
        await sleep(50)
      }
    }
    writeSync(1, `${id}\n`)
  }
}
await Promise.all(Array.from({ length: 8 }, pay))
await db.destroy()
