import type { Logger } from 'pino'
import type { Config } from './Config.ts'
import type { ClientDocuments } from './clients/ClientDocuments.ts'
import type { Engine } from './engine/Engine.ts'
import type { Recorder } from './gateway/recorder.ts'
import type { Routes } from './gateway/routes.ts'
import type { IdPrefix } from './Id.ts'
import type { GitHub } from './identity/github.ts'
import type { Issuers } from './oidc/Issuers.ts'
import type { Forgeries } from './payments/Forgeries.ts'
import type { Payments } from './payments/Payments.ts'
import type { Audit } from './store/audit.ts'
import type { Background } from './store/background.ts'
import type { Blobs } from './store/blobs.ts'
import type { Captures } from './store/captures.ts'
import type { Db } from './store/database.ts'
import type { EnvStore } from './store/env.ts'
import type { PayerCache } from './store/payerCache.ts'
import type { ReceiptKey } from './store/receiptKey.ts'
import type { Vouchers } from './store/vouchers.ts'
import type { Wallets } from './store/wallets.ts'
import type { Urls } from './Urls.ts'

/** Everything that a verb may touch: the ports, opened by `main.ts` (or a test) and handed down. */
export interface Jack {
  config: Config
  db: Db
  /** The same database for writes that may be lost in a crash; see `openDatabase`. */
  relaxedDb: Db
  background: Background
  captures: Captures
  audit: Audit
  /** Who vouches for runs of CI. */
  issuers: Issuers
  vouchers: Vouchers
  payers: PayerCache
  wallets: Wallets
  /** How wallets pay; null when this cloud takes no payments. */
  payments: Payments | null
  forgeries: Forgeries
  /** By which people sign in; null when this cloud has no app there. */
  github: GitHub | null
  /** Clients of OAuth that are known by an address. */
  clientDocuments: Pick<ClientDocuments, 'find'>
  engine: Engine
  blobs: Blobs
  env: EnvStore
  receiptKey: ReceiptKey
  /** An empty folder for what is put together and deleted again. On the same disk as the data. */
  scratchDir: string
  recorder: Recorder
  routes: Pick<Routes, 'forget'>
  urls: Urls
  log: Logger
  /** Aborts when the server begins to close: long answers end. */
  closing: AbortSignal
  now(): Date
  newId(prefix: IdPrefix): string
  /** sha256 of a text or of bytes, in lower-case hex. */
  sha256(content: string | Uint8Array): string
}
