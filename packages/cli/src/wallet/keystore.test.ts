import fc from 'fast-check'
import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import { isKeystore, type Keystore, lock, unlock, WrongPassphrase } from './keystore.ts'

const privateKey: fc.Arbitrary<Hex> = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`)
const passphrase = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
/** The real cost would take minutes. */
const cheap = { n: 2, r: 1, p: 1 }

test('what is locked with a passphrase is opened by it, and by no other', async () => {
  await fc.assert(
    fc.asyncProperty(privateKey, passphrase, passphrase, async (key, right, wrong) => {
      fc.pre(right !== wrong)
      const keystore = JSON.parse(JSON.stringify(await lock(key, right, cheap)))
      expect(isKeystore(keystore)).toBe(true)
      expect(await unlock(keystore, right)).toBe(key)
      await expect(unlock(keystore, wrong)).rejects.toThrow(WrongPassphrase)
    }),
  )
})

test('a byte that changed anywhere in it is noticed', async () => {
  const hexFields = ['ciphertext', 'mac', 'salt'] as const
  await fc.assert(
    fc.asyncProperty(
      privateKey,
      fc.constantFrom(...hexFields),
      fc.nat(31),
      fc.integer({ min: 1, max: 255 }),
      async (key, field, at, flip) => {
        const { crypto } = await lock(key, 'secret', cheap)
        const holder = (field === 'salt' ? crypto.kdfparams : crypto) as unknown as Record<
          string,
          string
        >
        const bytes = Buffer.from(holder[field] as string, 'hex')
        bytes[at] = (bytes[at] as number) ^ flip
        holder[field] = bytes.toString('hex')
        await expect(unlock({ crypto, id: '', version: 3 }, 'secret')).rejects.toThrow(
          WrongPassphrase,
        )
      },
    ),
  )
})

test('a guess costs what it is said to cost, and no two files are alike', async () => {
  const key: Hex = `0x${'11'.repeat(32)}`
  const [one, two] = await Promise.all([lock(key, 'secret'), lock(key, 'secret')])
  expect(one.crypto.kdfparams).toMatchObject({ n: 131_072, r: 8, p: 1 })
  expect(await unlock(one, 'secret')).toBe(key)
  expect(one.crypto.ciphertext).not.toBe(two.crypto.ciphertext)
  expect(one.crypto.kdfparams.salt).not.toBe(two.crypto.kdfparams.salt)
})

test('keystores of others are opened: the examples of the format', async () => {
  for (const keystore of examples) {
    expect(isKeystore(keystore)).toBe(true)
    expect(await unlock(keystore, 'testpassword')).toBe(
      '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d',
    )
  }
})

test('what would take all memory, or is no keystore, is not begun with', () => {
  const [scrypted, pbkdf] = examples as [Keystore, Keystore]
  const changed = (it: Keystore, path: string, value: unknown) => {
    const copy = structuredClone(it) as unknown as Record<string, unknown>
    const names = path.split('.')
    const last = names.pop() as string
    // biome-ignore lint/suspicious/noExplicitAny: breaks it on purpose
    names.reduce((at, name) => at[name], copy as any)[last] = value
    return copy
  }
  for (const broken of [
    null,
    'text',
    {},
    changed(scrypted, 'version', 1),
    changed(scrypted, 'crypto.kdf', 'argon2'),
    changed(scrypted, 'crypto.kdf', 'pbkdf2'),
    changed(scrypted, 'crypto.kdfparams.n', 2 ** 30),
    changed(scrypted, 'crypto.kdfparams.n', 3),
    changed(scrypted, 'crypto.kdfparams.r', 1_000_000),
    changed(scrypted, 'crypto.kdfparams.p', -1),
    changed(scrypted, 'crypto.kdfparams.p', 1_000_000),
    changed(scrypted, 'crypto.kdfparams.dklen', 16),
    changed(scrypted, 'crypto.kdfparams.salt', 'zz'),
    changed(scrypted, 'crypto.ciphertext', 'ab'),
    changed(scrypted, 'crypto.cipherparams', null),
    changed(scrypted, 'crypto.cipher', 'aes-256-gcm'),
    changed(pbkdf, 'crypto.kdfparams.c', 2 ** 40),
    changed(pbkdf, 'crypto.kdfparams.prf', 'hmac-sha1'),
  ]) {
    expect(isKeystore(broken), JSON.stringify(broken)).toBe(false)
  }
})

/** From the description of Web3 Secret Storage, with the passphrase `testpassword`. */
const examples: Keystore[] = [
  {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' },
      ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c',
      kdf: 'scrypt',
      kdfparams: {
        dklen: 32,
        n: 262_144,
        r: 1,
        p: 8,
        salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19',
      },
      mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
  {
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
      ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
      kdf: 'pbkdf2',
      kdfparams: {
        c: 262_144,
        dklen: 32,
        prf: 'hmac-sha256',
        salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
      },
      mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
    },
    id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
    version: 3,
  },
]
