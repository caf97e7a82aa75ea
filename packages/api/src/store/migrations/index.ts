import { projects } from './0001-projects.ts'
import { ledger } from './0002-ledger.ts'
import { periodic } from './0003-periodic.ts'
import { idempotency } from './0004-idempotency.ts'
import { runtime } from './0005-runtime.ts'
import { lifecycle } from './0006-lifecycle.ts'
import { staging } from './0007-staging.ts'
import { cron } from './0008-cron.ts'
import { logs } from './0009-logs.ts'
import { payments } from './0010-payments.ts'
import { receipts } from './0011-receipts.ts'
import { identity } from './0012-identity.ts'
import { oauth } from './0013-oauth.ts'
import { trust } from './0014-trust.ts'

/**
 * Every change of the schema, oldest first: name and SQL. What was released is never edited, only added to.
 * Each must leave the previous version of the code working, since replicas are replaced one by one.
 */
export const migrations: Record<string, string> = {
  '0001-projects': projects,
  '0002-ledger': ledger,
  '0003-periodic': periodic,
  '0004-idempotency': idempotency,
  '0005-runtime': runtime,
  '0006-lifecycle': lifecycle,
  '0007-staging': staging,
  '0008-cron': cron,
  '0009-logs': logs,
  '0010-payments': payments,
  '0011-receipts': receipts,
  '0012-identity': identity,
  '0013-oauth': oauth,
  '0014-trust': trust,
}
