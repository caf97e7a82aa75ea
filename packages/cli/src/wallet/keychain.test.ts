import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Keychain, keychain } from './keychain.ts'
import { fakeKeychain } from './testing/fakeKeychain.ts'

const newFolder = () => mkdtempSync(join(tmpdir(), 'jack-keychain-'))
const secret = `0x${'c0ffee'.repeat(10)}beef`

afterEach(() => vi.unstubAllEnvs())

test('there is none on other systems', () => {
  expect(keychain('win32')).toBeUndefined()
})

describe.each(['linux', 'darwin'] as const)('against the fake of %s', (platform) => {
  const os = keychain(platform) as Keychain

  test('what is kept is found, replaced and removed', async () => {
    const fake = fakeKeychain(newFolder())
    vi.stubEnv('PATH', fake.path)
    expect(await os.get('jack', '0xab')).toBeUndefined()
    await os.set('jack', '0xab', 'old')
    await os.set('jack', '0xab', secret)
    expect(await os.get('jack', '0xab')).toBe(secret)
    expect(await os.get('mppx', '0xab')).toBeUndefined()
    expect(await os.remove('jack', '0xab')).toBe(true)
    expect(await os.remove('jack', '0xab')).toBe(false)
    expect(await os.get('jack', '0xab')).toBeUndefined()
  })

  test('no secret is an argument of a process, or in its environment', async () => {
    const fake = fakeKeychain(newFolder())
    vi.stubEnv('PATH', fake.path)
    vi.stubEnv('JACK_PRIVATE_KEY', secret)
    vi.stubEnv('MPPX_PRIVATE_KEY', secret)
    vi.stubEnv('JACK_WALLET_PASSPHRASE', secret)
    await os.set('jack', '0xab', secret)
    await os.get('jack', '0xab')
    await os.remove('jack', '0xab')
    expect(fake.calls().length).toBeGreaterThanOrEqual(3)
    expect(JSON.stringify(fake.calls())).not.toContain(secret.slice(2))
  })

  test('one that is missing, fails or forgets is unavailable, and errors hold no secret', async () => {
    const failing = `echo no session; echo ${secret}; echo "No bus" >&2; exit 1`
    const forgetful = 'exit 0'
    for (const [script, why] of [
      [undefined, /there is no/],
      [failing, /No bus/],
      [forgetful, /it said no/],
    ] as const) {
      const folder = newFolder()
      vi.stubEnv('PATH', folder)
      if (script !== undefined)
        for (const name of ['secret-tool', 'security'])
          writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
      const error = await os.set('jack', '0xab', secret).catch((error) => error)
      expect(error).toMatchObject({ code: 'unavailable', message: expect.stringMatching(why) })
      expect(JSON.stringify(error) + error.stack).not.toContain(secret.slice(2))
    }
  })
})
