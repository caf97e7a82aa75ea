import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { promisify } from 'node:util'
import { ReceiptKey as PublicKey, signedText, thumbprintText } from '@jackcloud/sdk/wire'
import { sql } from 'kysely'
import type { Db } from './database.ts'
import { readSecret, writeSecret } from './keyFile.ts'

/** What receipts and statements are signed with. */
export interface ReceiptKey {
  publicKey: PublicKey
  /** Adds whose key signs it, and the hash of all that. */
  hashed<T extends object>(it: T): Hashed<T>
  /** Adds the signature over the hash. */
  signed<T extends object>(it: Hashed<T>): Promise<Hashed<T> & { signature: string }>
}

type Hashed<T> = T & { key_id: string; hash: string }

/**
 * The key that was given (Ed25519, PKCS #8 in PEM), or the one that is kept in a file, made at first.
 * Throws when it is another kind of key.
 */
export async function openReceiptKey(given: string | undefined, path: string): Promise<ReceiptKey> {
  const pem = given ?? (await readSecret(path))
  if (pem !== undefined) return receiptKey(parse(pem))
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeSecret(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trim())
  return receiptKey(privateKey)
}

function parse(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new Error(
    'The receipt key must be an Ed25519 private key in PEM: openssl genpkey -algorithm ed25519',
  )
}

function receiptKey(privateKey: KeyObject): ReceiptKey {
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = createHash('sha256').update(thumbprintText({ x })).digest('base64url')
  return {
    publicKey: { kty: 'OKP', crv: 'Ed25519', x, kid },
    hashed(it) {
      const said = { ...it, key_id: kid }
      return { ...said, hash: createHash('sha256').update(signedText(said)).digest('hex') }
    },
    async signed(it) {
      const signature = await signBytes(null, Buffer.from(it.hash, 'hex'), privateKey)
      return { ...it, signature: signature.toString('base64') }
    },
  }
}

/** In a thread of its own, so that many signatures hold up nobody. */
const signBytes = promisify(sign)

/** Notes that receipts are signed with a key from now on, so that it can be told for ever. */
export async function publish(db: Db, { publicKey }: ReceiptKey): Promise<void> {
  await sql`
    insert into receipt_key values (${publicKey.kid}, ${JSON.stringify(publicKey)}, clock_timestamp())
    on conflict (key_id) do update set used_at = excluded.used_at`.execute(db)
}

/** Every key that ever signed, the one that was published last first. */
export async function published(db: Db): Promise<PublicKey[]> {
  const rows = await db
    .selectFrom('receipt_key')
    .select('public_key')
    .orderBy('used_at', 'desc')
    .execute()
  return rows.map((row) => PublicKey.parse(JSON.parse(row.public_key)))
}
