import { generateKeyPairSync } from 'node:crypto'
import { openReceiptKey, type ReceiptKey } from '../receiptKey.ts'

/** A new private key in PEM. */
export const newReceiptKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** A new key that is kept nowhere. */
export const testReceiptKey = (pem = newReceiptKey()): Promise<ReceiptKey> =>
  openReceiptKey(pem, '')
