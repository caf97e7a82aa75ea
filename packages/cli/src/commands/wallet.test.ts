import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { execa } from 'execa'
import { privateKeyToAccount } from 'viem/accounts'
import { expect, test, vi } from 'vitest'
import { lock } from '../wallet/keystore.ts'
import { fakeKeychain } from '../wallet/testing/fakeKeychain.ts'

// Dozens of processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 })

const bin = fileURLToPath(new URL('../bin.ts', import.meta.url))
const key = '0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318'
const { address } = privateKeyToAccount(key)

/** The real command line of somebody who has nothing yet: no configuration, no keychain. */
function newcomer() {
  const home = mkdtempSync(join(tmpdir(), 'jack-wallet-'))
  const nothing = join(home, 'bin')
  mkdirSync(nothing)
  const env: Record<string, string> = { PATH: nothing, HOME: home }
  const file = join(home, '.config/jack/wallet.json')
  type Options = { env?: Record<string, string>; input?: string }
  const jack = (args: string[], options: Options = {}) =>
    execa(process.execPath, ['--conditions=jack:src', bin, ...args], {
      cwd: home,
      env: { ...env, ...options.env },
      extendEnv: false,
      reject: false,
      input: options.input ?? '',
    })
  return {
    home,
    env,
    file,
    jack,
    json: async (args: string[], options: Options = {}) => {
      const { stdout, stderr, exitCode } = await jack([...args, '--json'], options)
      expect(stderr).toBe('')
      return { exitCode, ...JSON.parse(stdout) }
    },
    /** A fake one, from now on. */
    withKeychain: () => {
      const fake = fakeKeychain(join(home, 'fakes'))
      env.PATH = fake.path
      return fake
    },
  }
}

test('a wallet is made, shown, printed and removed', async () => {
  const { jack, json, file } = newcomer()
  const created = await json(['wallet', 'create', '--no-passphrase'])
  expect(created).toEqual({
    exitCode: 0,
    address: expect.stringMatching(/^0x[0-9a-fA-F]{40}$/),
    origin: `${file} (not encrypted)`,
    source: { kind: 'file', file, encrypted: false },
  })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(file, '..'))).toEqual(['wallet.json'])

  const [shown, config, printed, unasked, kept] = await Promise.all([
    jack(['wallet', 'show']),
    json(['config']),
    jack(['wallet', 'export', '--yes']),
    json(['wallet', 'export']),
    json(['wallet', 'rm']),
  ])
  expect(shown).toMatchObject({
    exitCode: 0,
    stdout: `address  ${created.address}\nkey      ${file} (not encrypted)`,
    stderr: '',
  })
  expect(config.wallet).toEqual({ value: created.address, origin: created.origin })
  expect(privateKeyToAccount(printed.stdout as `0x${string}`).address).toBe(created.address)
  expect([unasked.exitCode, unasked.error.next[0].command]).toEqual([2, 'jack wallet export --yes'])
  expect([kept.exitCode, kept.error.next[0].command]).toEqual([2, 'jack wallet rm --yes'])

  expect(await json(['wallet', 'rm', '--yes'])).toEqual({
    exitCode: 0,
    address: created.address,
    removed: true,
  })
  expect(existsSync(file)).toBe(false)
  for (const none of await Promise.all(
    ['show', 'export', 'rm'].map((command) => json(['wallet', command, '--yes'])),
  ))
    expect([none.exitCode, none.error.next[0].command]).toEqual([4, 'jack wallet create'])
})

test('a second wallet never takes the place of the first, however many are made at once', async () => {
  for (const keychain of [true, false]) {
    const { json, file, withKeychain } = newcomer()
    const fake = keychain ? withKeychain() : undefined
    const options = keychain ? [] : ['--no-passphrase']
    const all = await Promise.all(
      Array.from({ length: 3 }, () => json(['wallet', 'create', ...options])),
    )
    expect(all.map((it) => it.exitCode).sort()).toEqual([0, 5, 5])
    const made = all.find((it) => it.exitCode === 0)
    const again = await json(['wallet', 'import'], { input: key })
    expect(again).toMatchObject({
      exitCode: 5,
      error: {
        code: 'conflict',
        message: `There is a wallet already: ${made.address}.`,
        next: [
          { command: 'jack wallet show' },
          { command: 'jack wallet export' },
          { command: 'jack wallet rm' },
        ],
      },
    })
    expect(JSON.parse(readFileSync(file, 'utf8')).address).toBe(made.address)
    expect(readdirSync(join(file, '..'))).toEqual(['wallet.json'])
    const exported = await json(['wallet', 'export', '--yes'])
    expect(privateKeyToAccount(exported.private_key).address).toBe(made.address)
    // Those that came too late took their keys back.
    if (fake) expect(readdirSync(join(fake.path, 'secrets'))).toEqual([`jack%20${made.address}`])
  }
})

test('a key that two processes import at once is kept', async () => {
  const { json, withKeychain } = newcomer()
  const fake = withKeychain()
  const all = await Promise.all([1, 2].map(() => json(['wallet', 'import'], { input: key })))
  expect(all.map((it) => it.exitCode).sort()).toEqual([0, 5])
  expect(fake.get('jack', address)).toBe(key)
})

test('a keychain has the key, and neither a file nor the arguments of any process', async () => {
  const { jack, json, file, withKeychain, home } = newcomer()
  const fake = withKeychain()
  const imported = await json(['wallet', 'import', '-'], { input: `${key}\n` })
  expect(imported).toEqual({
    exitCode: 0,
    address,
    origin: 'keychain',
    source: { kind: 'keychain', service: 'jack', account: address },
  })
  expect(fake.get('jack', address)).toBe(key)
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ address, keychain: true })
  expect((await jack(['wallet', 'show'])).stdout).toContain('keychain')
  expect((await jack(['wallet', 'export', '--yes'])).stdout).toBe(key)
  expect((await json(['wallet', 'rm', '--yes'])).removed).toBe(true)
  expect(fake.get('jack', address)).toBeUndefined()
  expect(fake.calls().length).toBeGreaterThan(3)
  expect(JSON.stringify(fake.calls())).not.toContain(key.slice(2))
  expect(readdirSync(join(home, '.config/jack'))).toEqual([])
})

test('a file is taken where the keychain does not work, or when one is asked for', async () => {
  const { jack, json, home, env, withKeychain } = newcomer()
  const fake = withKeychain()
  const JACK_WALLET_PASSPHRASE = 'correct horse'
  const filed = await json(['wallet', 'create', '--file'], { env: { JACK_WALLET_PASSPHRASE } })
  expect(filed.source).toMatchObject({ kind: 'file', encrypted: true })
  await jack(['wallet', 'rm', '--yes'])
  expect(fake.calls()).toEqual([])

  env.PATH = join(home, 'broken')
  mkdirSync(env.PATH)
  writeFileSync(join(env.PATH, 'secret-tool'), '#!/bin/sh\necho No bus >&2; exit 1\n', {
    mode: 0o755,
  })
  const refused = await jack(['wallet', 'create'])
  expect([refused.exitCode, refused.stdout]).toEqual([2, ''])
  expect(refused.stderr).toContain('The keychain cannot be used: No bus')
  expect(refused.stderr).toContain('jack wallet create --no-passphrase')
  expect((await json(['wallet', 'create'], { env: { JACK_WALLET_PASSPHRASE } })).source).toEqual(
    filed.source,
  )
})

test('an encrypted file needs its passphrase to print the key, and not to show the address', async () => {
  const { json, home, file } = newcomer()
  const passphrases = join(home, 'passphrase')
  writeFileSync(passphrases, 'correct horse\nbattery staple\n')
  const imported = await json(['wallet', 'import', '--passphrase-file', passphrases], {
    input: key,
  })
  expect(imported).toMatchObject({ exitCode: 0, source: { kind: 'file', encrypted: true } })
  expect(readFileSync(file, 'utf8')).not.toContain(key.slice(2))
  expect(statSync(file).mode & 0o777).toBe(0o600)

  const save = ['wallet', 'export', '--yes']
  const [shown, config, locked, wrong, right, fromFile] = await Promise.all([
    json(['wallet', 'show']),
    json(['config']),
    json(save),
    json(save, { env: { JACK_WALLET_PASSPHRASE: 'Correct horse' } }),
    json(save, { env: { JACK_WALLET_PASSPHRASE: 'correct horse' } }),
    json([...save, '--passphrase-file', passphrases]),
  ])
  expect([shown.address, config.wallet.value]).toEqual([address, address])
  expect(locked).toMatchObject({
    exitCode: 2,
    error: { message: 'The wallet is locked with a passphrase.' },
  })
  expect(wrong).toMatchObject({ exitCode: 3, error: { code: 'unauthorized' } })
  for (const opened of [right, fromFile])
    expect(opened).toEqual({ exitCode: 0, address, private_key: key })

  writeFileSync(passphrases, '\n')
  const empty = await json([...save, '--passphrase-file', passphrases])
  expect(empty).toMatchObject({
    exitCode: 2,
    error: { message: `There is no passphrase in ${passphrases}.` },
  })
})

test('a key is imported from a file or a keystore of another wallet', async () => {
  const keystore = await lock(key, 'theirs', { n: 2, r: 1, p: 1 })
  for (const text of [key, key.slice(2).toUpperCase(), JSON.stringify(keystore)]) {
    const { json, home } = newcomer()
    const from = join(home, 'their-key')
    writeFileSync(from, `${text}\n`)
    const env = { JACK_WALLET_PASSPHRASE: 'theirs' }
    const imported = await json(['wallet', 'import', from, '--no-passphrase'], { env })
    expect(imported).toMatchObject({ exitCode: 0, address, source: { encrypted: false } })
    expect((await json(['wallet', 'export', '--yes'])).private_key).toBe(key)
  }
})

test('what is no key is not imported, and not repeated', async () => {
  const { json, home, file } = newcomer()
  const bad = {
    empty: '',
    words: 'my secret words',
    long: `${key}ff`,
    'other.json': '{"private_key": "my secret words"}',
    'cut.json': '{"my secret words',
  }
  const all = await Promise.all(
    Object.entries(bad).map(async ([name, text]) => {
      const from = join(home, name)
      writeFileSync(from, text)
      const what = name.endsWith('.json') ? 'keystore of version 3' : 'private key'
      const refused = await json(['wallet', 'import', from, '--no-passphrase'])
      expect(refused).toMatchObject({
        exitCode: 2,
        error: { message: `${from} is not a ${what}.` },
      })
      return JSON.stringify(refused)
    }),
  )
  expect(all.join()).not.toMatch(/secret|4c0883/)
  expect(existsSync(file)).toBe(false)
})

test('a damaged file is named, is not overwritten, and can be removed', async () => {
  const { json, jack, file } = newcomer()
  await jack(['wallet', 'create', '--no-passphrase'])
  const text = readFileSync(file, 'utf8')
  const half = text.slice(0, -20)
  writeFileSync(file, half)
  const words = [['show'], ['export', '--yes'], ['create', '--no-passphrase'], ['import']]
  const [config, ...all] = await Promise.all([
    json(['config']),
    ...words.map((args) => json(['wallet', ...args], { input: key })),
  ])
  for (const refused of all) {
    expect(refused).toMatchObject({
      exitCode: 2,
      error: { code: 'usage', message: `${file} is damaged: it holds no wallet.` },
    })
  }
  expect(config.wallet).toEqual({
    value: null,
    origin: `${file} is damaged: it holds no wallet.`,
  })
  expect(readFileSync(file, 'utf8')).toBe(half)
  expect(await json(['wallet', 'rm', '--yes'])).toEqual({
    exitCode: 0,
    address: null,
    removed: true,
  })
  expect(existsSync(file)).toBe(false)
})

test('a file that others can read is warned of', async () => {
  const { jack, file } = newcomer()
  await jack(['wallet', 'create', '--no-passphrase'])
  expect((await jack(['wallet', 'show'])).stderr).toBe('')
  chmodSync(file, 0o640)
  expect((await jack(['wallet', 'show'])).stderr).toContain(`chmod 600 ${file}`)
})

test('a key of the environment goes first, and whoever makes another is told', async () => {
  const { jack, json } = newcomer()
  const env = { JACK_PRIVATE_KEY: key }
  expect(await json(['wallet', 'show'], { env })).toEqual({
    exitCode: 0,
    address,
    origin: 'environment JACK_PRIVATE_KEY',
    source: { kind: 'environment', variable: 'JACK_PRIVATE_KEY' },
  })
  expect((await json(['config'], { env })).wallet.origin).toBe('environment JACK_PRIVATE_KEY')
  const { stderr } = await jack(['wallet', 'create', '--no-passphrase'], { env })
  expect(stderr).toContain('environment JACK_PRIVATE_KEY has another wallet, and that one is used.')
})

test('no command but export says the key, whatever goes wrong', async () => {
  const { jack, withKeychain } = newcomer()
  const fake = withKeychain()
  fake.put('mppx', 'main', key)
  const nobody = ['--url', 'http://127.0.0.1:9', '--verbose']
  const env = { JACK_PRIVATE_KEY: key, MPPX_PRIVATE_KEY: key, JACK_WALLET_PASSPHRASE: key }
  const bare = key.slice(2)
  const all = await Promise.all([
    ...[['wallet', 'show'], ['config', '--json'], ['whoami'], ['doctor']].map((args) =>
      jack([...args, ...nobody], { env }),
    ),
    jack(['wallet', 'create', '--file', '--verbose'], { env }),
    jack(['wallet', 'export', '--verbose'], { env }),
    ...[
      [key],
      ['wallet', bare],
      ['wallet', 'show', key, bare],
      ['wallet', 'import', bare.toUpperCase()],
      ['wallet', 'import', 'a', key],
      ['wallet', 'import', '--private-key', key, '--json'],
    ].map((args) => jack(args)),
  ])
  for (const { stdout, stderr, command } of all)
    expect((stdout + stderr).toLowerCase(), command).not.toContain(bare)
  expect(all.at(-3)?.stderr).toContain('A private key does not belong on a command line.')
  expect(JSON.stringify(fake.calls())).not.toContain(bare)
})

/** The command line on a terminal: what it shows, and typing into it once something is shown. */
function onTerminal({ env, home }: ReturnType<typeof newcomer>, args: string[]) {
  const words = [process.execPath, '--conditions=jack:src', bin, ...args].map((it) => `'${it}'`)
  const command = `stty cols 200 rows 50; exec ${words.join(' ')}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: home,
    env: { ...env, SHELL: '/bin/sh', TERM: 'xterm', PATH: `${env.PATH}:${process.env.PATH}` },
  })
  let shown = ''
  let read = 0
  let wake = () => {}
  child.stdout.on('data', (chunk) => {
    shown += stripVTControlCharacters(String(chunk))
    wake()
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    type: (text: string) => child.stdin.write(text),
    async shows(text: string): Promise<void> {
      while (shown.indexOf(text, read) < 0) {
        const more = new Promise<string>((resolve) => {
          wake = () => resolve('more')
        })
        if ((await Promise.race([more, ended.then(() => 'ended')])) === 'ended')
          expect(shown.slice(read)).toContain(text)
      }
      read = shown.indexOf(text, read) + text.length
    },
    end: async () => ({ exitCode: await ended, shown }),
  }
}

test.runIf(process.platform === 'linux')(
  'on a terminal it asks how to keep the key, for a passphrase twice, and for it when it is needed',
  async () => {
    const me = newcomer()
    const create = onTerminal(me, ['wallet', 'create'])
    await create.shows('How shall the file of the wallet be kept?')
    create.type('\r')
    await create.shows('A passphrase for the wallet')
    create.type('correct horse\r')
    await create.shows('Once more')
    create.type('another horse\r')
    await create.shows('These are two.')
    await create.shows('A passphrase for the wallet')
    create.type('correct horse\r')
    await create.shows('Once more')
    create.type('correct horse\r')
    await create.shows('no other copy')
    const created = await create.end()
    expect(created.exitCode).toBe(0)
    expect(created.shown).not.toContain('horse')

    const show = await onTerminal(me, ['wallet', 'show']).end()
    expect([show.exitCode, show.shown]).toEqual([0, expect.stringContaining('(encrypted)')])

    const save = onTerminal(me, ['wallet', 'export'])
    await save.shows('Print the private key of 0x')
    save.type('y')
    await save.shows('Passphrase of the wallet')
    save.type('wrong\r')
    await save.shows('That is not the passphrase of the wallet.')
    await save.shows('Passphrase of the wallet')
    save.type('correct horse\r')
    const { exitCode, shown } = await save.end()
    expect(exitCode).toBe(0)
    const [printed] = shown.match(/0x[0-9a-f]{64}/) ?? []
    const { address } = JSON.parse(readFileSync(me.file, 'utf8'))
    expect(privateKeyToAccount(printed as `0x${string}`).address).toBe(address)

    const refuse = onTerminal(me, ['wallet', 'rm'])
    await refuse.shows('Delete the key for good?')
    refuse.type('n')
    expect((await refuse.end()).exitCode).toBe(130)
    expect(existsSync(me.file)).toBe(true)
  },
)

test.runIf(process.platform === 'linux')(
  'on a terminal a key can be typed, unseen, and kept without a passphrase',
  async () => {
    const me = newcomer()
    const load = onTerminal(me, ['wallet', 'import'])
    await load.shows('The private key')
    load.type(`${key}\r`)
    await load.shows('How shall the file of the wallet be kept?')
    load.type('\u001b[B\r')
    const { exitCode, shown } = await load.end()
    expect([exitCode, shown]).toEqual([0, expect.stringContaining(address)])
    expect(shown).not.toContain(key.slice(2))
    expect(JSON.parse(readFileSync(me.file, 'utf8'))).toEqual({ address, private_key: key })
  },
)
