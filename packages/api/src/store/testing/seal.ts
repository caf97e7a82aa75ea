/** A process that seals receipts without a pause (argv: connection, key, account), and says so when it begins. */
import { openDatabase } from '../database.ts'
import { openReceiptKey } from '../receiptKey.ts'
import { sealDue, standing } from '../receipts.ts'

const [connection, pem, accountId] = process.argv.slice(2) as [string, string, string]
const db = openDatabase({ connection: JSON.parse(connection), poolSize: 4 })
const key = await openReceiptKey(pem, '')
console.log('sealing')
for (;;)
  await Promise.all([sealDue(db, key, new AbortController().signal), standing(db, key, accountId)])
