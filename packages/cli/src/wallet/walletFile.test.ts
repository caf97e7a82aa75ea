import { mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { newKey } from './key.ts'
import { lock } from './keystore.ts'
import { createWallet, type Kept, readWallet, walletFile } from './walletFile.ts'

const newFile = () =>
  walletFile(join(mkdtempSync(join(tmpdir(), 'jack-wallet-')), 'jack/config.json'))

async function everyKind(): Promise<Kept[]> {
  const { address, privateKey } = await newKey()
  const keystore = await lock(privateKey, 'secret', { n: 2, r: 1, p: 1 })
  return [
    { address, keychain: true },
    { address, private_key: privateKey },
    { address, keystore },
  ]
}

test('a wallet is kept whole, for its owner alone, and never overwritten', async () => {
  for (const kept of await everyKind()) {
    const file = newFile()
    expect(readWallet(file)).toBeUndefined()
    createWallet(file, kept)
    expect(readWallet(file)).toEqual(kept)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(file)).mode & 0o777).toBe(0o700)
    const before = readFileSync(file, 'utf8')
    const { address, privateKey } = await newKey()
    expect(() => createWallet(file, { address, private_key: privateKey })).toThrow(
      `There is a wallet already: ${kept.address}.`,
    )
    expect(readFileSync(file, 'utf8')).toBe(before)
    expect(readdirSync(dirname(file))).toEqual(['wallet.json'])
  }
})

test('a file that was cut off anywhere is named, and nothing of it is repeated', async () => {
  for (const kept of await everyKind()) {
    const file = newFile()
    mkdirSync(dirname(file))
    const text = JSON.stringify(kept)
    for (let length = 0; length < text.length; length++) {
      writeFileSync(file, text.slice(0, length))
      expect(() => readWallet(file)).toThrow(
        expect.objectContaining({
          code: 'usage',
          message: `${file} is damaged: it holds no wallet.`,
        }),
      )
    }
  }
})

test('a file without an address or without a key is no wallet', async () => {
  const file = newFile()
  mkdirSync(dirname(file))
  const [, open] = (await everyKind()) as [Kept, Kept & { private_key: string }]
  for (const broken of [
    null,
    [],
    { ...open, address: '0x12' },
    { address: open.address },
    { address: open.address, keychain: false },
    { address: open.address, keystore: {} },
    { address: open.address, private_key: open.private_key.slice(2) },
  ]) {
    writeFileSync(file, JSON.stringify(broken))
    expect(() => readWallet(file)).toThrow('is damaged')
  }
})
