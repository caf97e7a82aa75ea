import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A secret kept in a file that only its owner can read; undefined when there is none. */
export const readSecret = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    (error) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    },
  )

/** Writes whole or not at all. */
export async function writeSecret(path: string, secret: string): Promise<void> {
  await writeFile(`${path}.new`, `${secret}\n`, { mode: 0o600, flush: true })
  await rename(`${path}.new`, path)
}

/** The 32 bytes that seal environment values: given in base64, or made once and kept in a file. */
export async function encryptionKey(given: string | undefined, path: string): Promise<Buffer> {
  const text = given ?? (await readSecret(path))
  if (text !== undefined) {
    const key = Buffer.from(text, 'base64')
    if (key.length !== 32)
      throw new Error('The encryption key must be 32 bytes in base64: openssl rand -base64 32')
    return key
  }
  const key = randomBytes(32)
  await writeSecret(path, key.toString('base64'))
  return key
}

/**
 * What a server keeps for itself in its data directory, and a backup takes along, by name of the file. Keys that move
 * money are not among them: whoever steals a backup shall not close anybody's session for nothing. An operator has them
 * from elsewhere; those of a local chain are made anew with the chain, which is not saved either. A development wallet
 * is, since it owns what it deployed.
 */
export async function keptSecrets(dataDir: string): Promise<Map<string, string>> {
  const secrets = new Map<string, string>()
  for (const name of ['encryption.key', 'receipt.key', 'token', 'wallet.key']) {
    const secret = await readSecret(join(dataDir, name))
    if (secret !== undefined) secrets.set(name, secret)
  }
  return secrets
}
