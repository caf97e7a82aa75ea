import { generateKeyPairSync } from 'node:crypto'
import { openReceiptKey, type ReceiptKey } from '../receiptKey.ts'

/** A new key that is kept nowhere. */
export function testReceiptKey(): Promise<ReceiptKey> {
  const { privateKey } = generateKeyPairSync('ed25519')
  return openReceiptKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), '')
}
