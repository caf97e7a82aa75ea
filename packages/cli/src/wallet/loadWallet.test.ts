import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseTransaction } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPrint } from '../print.ts'
import { keep } from './keep.ts'
import { newKey } from './key.ts'
import { loadWallet } from './loadWallet.ts'
import { fakeKeychain } from './testing/fakeKeychain.ts'

let home: string
let fake: ReturnType<typeof fakeKeychain>
const session = () => ({
  configFile: join(home, 'jack/config.json'),
  interactive: false,
  print: createPrint({ json: true, verbose: false }),
})

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'jack-load-'))
  fake = fakeKeychain(join(home, 'fakes'))
  vi.stubEnv('PATH', fake.path)
  vi.stubEnv('XDG_CONFIG_HOME', home)
  for (const name of ['JACK_PRIVATE_KEY', 'MPPX_PRIVATE_KEY', 'JACK_WALLET_PASSPHRASE'])
    vi.stubEnv(name, '')
  vi.stubEnv('MPPX_ACCOUNT', '')
})
afterEach(() => vi.unstubAllEnvs())

test('without a key anywhere there is no wallet', async () => {
  expect(await loadWallet(session())).toBeNull()
})

test('it signs as the key would, and reads the key only to sign', async () => {
  const key = await newKey()
  vi.stubEnv('JACK_WALLET_PASSPHRASE', 'right')
  await keep(session(), key, { file: true })
  vi.stubEnv('JACK_WALLET_PASSPHRASE', '')
  const wallet = await loadWallet(session())
  const account = wallet?.account as NonNullable<typeof wallet>['account']
  expect(account).toMatchObject({ address: key.address, type: 'local' })
  expect(wallet?.source).toMatchObject({ kind: 'file', encrypted: true })

  await expect(account.signMessage({ message: 'hi' })).rejects.toMatchObject({
    code: 'usage',
    message: 'The wallet is locked with a passphrase.',
  })
  vi.stubEnv('JACK_WALLET_PASSPHRASE', 'wrong')
  await expect(account.signMessage({ message: 'hi' })).rejects.toMatchObject({
    code: 'unauthorized',
  })
  vi.stubEnv('JACK_WALLET_PASSPHRASE', 'right')
  const direct = privateKeyToAccount(key.privateKey)
  expect(await account.signMessage({ message: 'hi' })).toBe(
    await direct.signMessage({ message: 'hi' }),
  )
  // Once open, it stays open.
  vi.stubEnv('JACK_WALLET_PASSPHRASE', '')
  const voucher = {
    domain: { name: 'A channel', version: '1', chainId: 1337 },
    types: { Voucher: [{ name: 'amount', type: 'uint96' }] },
    primaryType: 'Voucher',
    message: { amount: 5n },
  } as const
  expect(await account.signTypedData(voucher)).toBe(await direct.signTypedData(voucher))
  const hash = `0x${'ab'.repeat(32)}` as const
  expect(await account.sign?.({ hash })).toBe(await direct.sign({ hash }))
  const transaction = { chainId: 1337, to: key.address, value: 1n, gas: 21_000n, maxFeePerGas: 1n }
  const signed = await account.signTransaction({ ...transaction, type: 'eip1559' })
  expect(signed).toBe(await direct.signTransaction({ ...transaction, type: 'eip1559' }))
  expect(parseTransaction(signed as `0x02${string}`)).toMatchObject({ chainId: 1337 })
})

test('a serializer of another chain reaches the key', async () => {
  const { privateKey } = await newKey()
  vi.stubEnv('JACK_PRIVATE_KEY', privateKey)
  const wallet = await loadWallet(session())
  const serializer = (transaction: { chainId?: number | undefined }) =>
    `0x76${transaction.chainId?.toString(16)}` as `0x02${string}`
  const transaction = { chainId: 1337, type: 'eip1559' } as const
  expect(await wallet?.account.signTransaction(transaction, { serializer })).toBe('0x76539')
})

test('the environment goes before the own wallet, and that before the account of mppx', async () => {
  const [jack, mppx, own, main, other] = await Promise.all([1, 2, 3, 4, 5].map(newKey))
  if (!jack || !mppx || !own || !main || !other) throw new Error('keys are missing')
  const found = async () => {
    const wallet = await loadWallet(session())
    return wallet && [wallet.account.address, wallet.source]
  }
  fake.put('mppx', 'main', main.privateKey)
  const account = (name: string) => ({ kind: 'keychain', service: 'mppx', account: name })
  expect(await found()).toEqual([main.address, account('main')])
  fake.put('mppx', 'spare', other.privateKey)
  mkdirSync(join(home, 'mppx'))
  writeFileSync(join(home, 'mppx/default'), 'spare\n')
  expect(await found()).toEqual([other.address, account('spare')])
  vi.stubEnv('MPPX_ACCOUNT', 'main')
  expect(await found()).toEqual([main.address, account('main')])
  vi.stubEnv('MPPX_ACCOUNT', 'tempo:0x12')
  expect(await found()).toBeNull()

  await keep(session(), own, {})
  const inKeychain = { kind: 'keychain', service: 'jack', account: own.address }
  expect(await found()).toEqual([own.address, inKeychain])
  vi.stubEnv('MPPX_PRIVATE_KEY', mppx.privateKey.slice(2))
  expect(await found()).toEqual([
    mppx.address,
    { kind: 'environment', variable: 'MPPX_PRIVATE_KEY' },
  ])
  vi.stubEnv('JACK_PRIVATE_KEY', ` ${jack.privateKey}\n`)
  expect(await found()).toEqual([
    jack.address,
    { kind: 'environment', variable: 'JACK_PRIVATE_KEY' },
  ])
})

test('what is no key is refused without repeating it, and nothing else is taken instead', async () => {
  const curve = 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'
  await keep(session(), await newKey(), {})
  for (const bad of ['nonsense-secret', '0x1234', '0'.repeat(64), curve, `0x${'a'.repeat(63)}g`]) {
    vi.stubEnv('JACK_PRIVATE_KEY', bad)
    const error = await loadWallet(session()).catch((error) => error)
    expect(error).toMatchObject({
      code: 'usage',
      message: 'JACK_PRIVATE_KEY is not a private key.',
    })
    expect(JSON.stringify(error) + error.stack + error.cause).not.toContain(bad)
  }
})

test('a key that is not that of the address is not used', async () => {
  const [one, two] = await Promise.all([newKey(), newKey()])
  await keep(session(), one, {})
  fake.put('jack', one.address, two.privateKey)
  const wallet = await loadWallet(session())
  await expect(wallet?.account.signMessage({ message: 'hi' })).rejects.toThrow('is damaged')
})

test('an entry that is gone from the keychain is said to be gone', async () => {
  const key = await newKey()
  await keep(session(), key, {})
  vi.stubEnv('PATH', fakeKeychain(join(home, 'other')).path)
  const wallet = await loadWallet(session())
  await expect(wallet?.account.signMessage({ message: 'hi' })).rejects.toMatchObject({
    code: 'not_found',
    message: `The keychain does not give the key of ${key.address}.`,
  })
})
