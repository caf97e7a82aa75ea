import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { type Hex, hexToBytes } from 'viem'
import { generatePrivateKey, privateKeyToAccount, sign } from 'viem/accounts'
import { expect, test } from 'vitest'
import { byMachineCode, byWebAssembly } from './recoveredKey.ts'

// Where nobody built the machine code, WebAssembly is compared with itself.
const fast = byMachineCode ?? byWebAssembly
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

test('machine code and WebAssembly find the same key, or none, whatever the numbers are', () => {
  fc.assert(
    fc.property(bytes(32), bytes(64), fc.constantFrom(0, 1), (digest, rs, yParity) => {
      const found = fast(digest, rs, yParity as 0 | 1)
      expect(found && [...found]).toEqual(
        ((key) => key && [...key])(byWebAssembly(digest, rs, yParity as 0 | 1)),
      )
    }),
    {
      examples: [
        [new Uint8Array(32), new Uint8Array(64), 0],
        [new Uint8Array(32).fill(255), new Uint8Array(64).fill(255), 1],
      ],
    },
  )
})

test('both find the key that signed', async () => {
  for (let i = 0; i < 20; i++) {
    const key = generatePrivateKey()
    const digest = randomBytes(32)
    const hash: Hex = `0x${digest.toString('hex')}`
    const { r, s, yParity } = await sign({ hash, privateKey: key, to: 'object' })
    const rs = Buffer.concat([hexToBytes(r, { size: 32 }), hexToBytes(s, { size: 32 })])
    const publicKey = privateKeyToAccount(key).publicKey.slice(4)
    for (const recovered of [fast, byWebAssembly])
      expect(Buffer.from(recovered(digest, rs, yParity as 0 | 1) ?? []).toString('hex')).toBe(
        publicKey,
      )
  }
})
